"""How long workers were at work: active seconds of each assignment, from when it was accepted and handed in.

What a market tells is when an assignment was accepted and when it was handed in. Two things lie between that are no
work. Somebody accepts several assignments at once and does one after the other: so an assignment's time begins where
the same worker's one before it was handed in, if that is later. And somebody goes to lunch: so the time for one answer
is capped at the job's upper fence, Tukey's on the logarithmic scale, as times are skewed:

    cap = Q3 (Q3 / Q1)^1.5, at least 3 and at most 10 medians,

of the seconds for an answer over all assignments of the job (the bounds are for jobs so young that a single long time,
or none, makes the quartiles).
Capped time is counted at the cap, not left out: the worker did do the work. An assignment whose beginning the market
did not tell has no active time, and whatever rests on time leaves it out.

J. Tukey (1977), Exploratory Data Analysis, chapter 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from aggregation.arrays import Floats, Ints

UNKNOWN = -1
_FENCE = 1.5
# Medians.
_LEAST_CAP, _MOST_CAP = 3.0, 10.0


def active_seconds(worker: Ints, accepted: Ints, submitted: Ints, n_answers: Ints) -> tuple[Floats, float]:
    """
    Tell the active time of each assignment.

    Parameters
    ----------
    worker, accepted, submitted : (n_assignments,) int
        In the order in which they were handed in; times in microseconds, `UNKNOWN` where it was not told when the
        assignment was accepted.
    n_answers : (n_assignments,) int
        Answers in each; one without any counts as one.

    Returns
    -------
    seconds : (n_assignments,) float64
        NaN where it is not known.
    cap : float
        Seconds for an answer beyond which no more is counted; infinite where nothing is known.

    """
    order = np.argsort(worker, kind="stable")
    who, ended = worker[order], submitted[order]
    before = np.concatenate([[UNKNOWN], ended[:-1]])
    before[np.diff(who, prepend=-1) != 0] = UNKNOWN
    begun = accepted[order]
    lasted = np.where(begun == UNKNOWN, np.nan, (ended - np.maximum(begun, before)) / 1e6)
    raw = np.empty(worker.size)
    raw[order] = np.where(lasted > 0, lasted, np.nan)
    size = np.maximum(n_answers, 1)
    each = raw / size
    known = each[np.isfinite(each)]
    if not known.size:
        return raw, float("inf")
    low, middle, high = np.quantile(known, (0.25, 0.5, 0.75))
    cap = float(np.clip(high * (high / low) ** _FENCE, _LEAST_CAP * middle, _MOST_CAP * middle))
    return np.minimum(raw, cap * size), cap
