"""Drift of a worker over time: the cumulative sum of what they did beside their own mean, its moment and its evidence.

With x_1 … x_n of one worker in order, S_t = sum_{s<=t} (x_s - mean), and

    D = max_t |S_t| / (sd sqrt(n)).

Where nothing changed, S is a random walk tied down at both ends, and D has Kolmogorov's distribution (for few answers
it is smaller: the test is then careful, not rash). Where the mean steps once, D is largest at the step: that is the
moment. One function serves gold (0 or 1), agreement (a log likelihood), time (log seconds) and each label's share in
the mix.

R. Brown, J. Durbin, J. Evans (1975), Techniques for testing the constancy of regression relationships over time,
Journal of the Royal Statistical Society B 37.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from scipy.special import kolmogorov

from gold.flags import adjust

if TYPE_CHECKING:
    from aggregation.arrays import Floats, Ints

FEWEST = 10


class Drift(Struct, frozen=True):
    """
    A change in one worker's series.

    Attributes
    ----------
    row
        Row of the first value after the change, in the arrays handed over.
    statistic
        D.
    adjusted
        p-value adjusted for all workers (and labels) that were tested.

    """

    worker: int
    series: str
    row: int
    before: float
    after: float
    statistic: float
    p_value: float
    adjusted: float
    reason: str


def drift(worker: Ints, value: Floats, n_workers: int, series: str, *, false_discovery: float = 0.05) -> list[Drift]:
    """
    Find the workers whose series changed, the surest first.

    Parameters
    ----------
    worker : (n,) int
    value : (n,) float
        In order of time; NaN is left out.
    series : str
        What the values are, for the reason: "gold accuracy", "agreement", "log seconds".

    """
    return _select([_tested(worker, value, n_workers, series)], false_discovery)


def mix_drift(
    worker: Ints, label: Ints, n_workers: int, n_labels: int, *, false_discovery: float = 0.05
) -> list[Drift]:
    """Find the workers who came to give a label value more or less often, rare label values on their own."""
    series = [
        _tested(worker, (label == value).astype(np.float64), n_workers, f"share of label value {value}")
        for value in range(n_labels)
    ]
    return _select(series, false_discovery)


def _tested(worker: Ints, value: Floats, n_workers: int, series: str) -> list[Drift]:
    known = np.flatnonzero(np.isfinite(value))
    order = known[np.argsort(worker[known], kind="stable")]
    who, x = worker[order], value[order]
    n = np.bincount(who, minlength=n_workers)
    ends = np.cumsum(n)
    starts = ends - n
    size = np.maximum(n, 1)
    mean = np.bincount(who, x, minlength=n_workers) / size
    left = x - mean[who]
    sd = np.sqrt(np.bincount(who, left**2, minlength=n_workers) / size)
    walk = np.cumsum(left)
    walk -= np.concatenate([[0.0], walk])[starts[who]]
    found = []
    for at in np.flatnonzero((n >= FEWEST) & (sd > 0)).tolist():
        path = np.abs(walk[starts[at] : ends[at]])
        step = int(path.argmax()) + 1
        statistic = float(path[step - 1] / (sd[at] * np.sqrt(n[at])))
        series_of = x[starts[at] : ends[at]]
        if step >= n[at]:
            continue
        before, after = float(series_of[:step].mean()), float(series_of[step:].mean())
        reason = (
            f"From answer {step + 1} of {n[at]} on, {series} went from {before:.2f} to {after:.2f} "
            f"(D = {statistic:.2f}); without a change that would be seen once in "
            f"{1 / max(kolmogorov(statistic), 1e-9):,.0f}."
        )
        row = int(order[starts[at] + step])
        found.append(Drift(at, series, row, before, after, statistic, float(kolmogorov(statistic)), 1.0, reason))
    return found


def _select(series: list[list[Drift]], false_discovery: float) -> list[Drift]:
    tested = [one for found in series for one in found]
    adjusted = adjust(np.array([one.p_value for one in tested]))
    kept = [
        replace(one, adjusted=float(value))
        for one, value in zip(tested, adjusted, strict=True)
        if value <= false_discovery
    ]
    return sorted(kept, key=lambda one: (one.adjusted, -one.statistic, one.worker))
