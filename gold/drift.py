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

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct
from scipy.special import kolmogorov

from gold.flags import adjust

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aggregation.arrays import Floats, Ints

FEWEST = 10
_ROUNDING = 1e-9


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


def drift(
    worker: Ints,
    value: Floats,
    n_workers: int,
    series: str,
    *,
    geometric: bool = False,
    false_discovery: float = 0.05,
) -> list[Drift]:
    """
    Find the workers whose series changed, the surest first.

    Parameters
    ----------
    worker : (n,) int
    value : (n,) float
        In order of time; NaN is left out.
    series : str
        What the values are, for the reason: "gold accuracy", "agreement", "seconds".
    geometric : bool
        Test their logarithms, and tell of geometric means: for values above 0 that are spread by factors.

    """
    return _select([_tested(worker, value, n_workers, series, geometric=geometric)], false_discovery)


def mix_drift(
    worker: Ints,
    label: Ints,
    n_workers: int,
    n_labels: int,
    *,
    names: Sequence[str] | None = None,
    false_discovery: float = 0.05,
) -> list[Drift]:
    """
    Find the workers who came to give a label value more or less often, rare label values on their own.

    Parameters
    ----------
    names : sequence of str, optional
        Names of the label values, for the reasons; by default their numbers.

    """
    named = [f"label value {value}" for value in range(n_labels)] if names is None else [f"“{name}”" for name in names]
    series = [
        _tested(worker, (label == value).astype(np.float64), n_workers, f"share of {name}")
        for value, name in enumerate(named)
    ]
    return _select(series, false_discovery)


@dataclass(frozen=True, eq=False)
class _Tested:
    """One series of all workers who have enough of it: arrays of one length, a row for each."""

    series: str
    geometric: bool
    worker: Ints
    row: Ints
    step: Ints
    size: Ints
    before: Floats
    after: Floats
    statistic: Floats
    p_value: Floats

    def told(self, at: int, adjusted: float) -> Drift:
        """Say what was found of one worker."""
        before, after, statistic = float(self.before[at]), float(self.after[at]), float(self.statistic[at])
        if self.geometric:
            before, after = math.exp(before), math.exp(after)
            went = f"{self.series} (geometric mean) went from {before:.2g} to {after:.2g}"
        else:
            went = f"{self.series} went from {before:.2f} to {after:.2f}"
        reason = (
            f"From answer {self.step[at] + 1} of {self.size[at]} on, {went} (D = {statistic:.2f}); without a change "
            f"that would be seen once in {1 / max(float(self.p_value[at]), 1e-9):,.0f}."
        )
        p_value = float(self.p_value[at])
        return Drift(
            int(self.worker[at]), self.series, int(self.row[at]), before, after, statistic, p_value, adjusted, reason
        )


def _tested(worker: Ints, value: Floats, n_workers: int, series: str, *, geometric: bool = False) -> _Tested:
    if geometric:
        value = np.log(value)
    known = np.flatnonzero(np.isfinite(value))
    order = known[np.argsort(worker[known], kind="stable")]
    who, x = worker[order], value[order]
    n = np.bincount(who, minlength=n_workers)
    starts = np.cumsum(n) - n
    size = np.maximum(n, 1)
    mean = np.bincount(who, x, minlength=n_workers) / size
    left = x - mean[who]
    sd = np.sqrt(np.bincount(who, left**2, minlength=n_workers) / size)
    walk = np.cumsum(left)
    walk -= np.concatenate([[0.0], walk])[starts[who]]
    # Of each worker the first place where the walk is farthest from 0.
    path = np.abs(walk)
    farthest = np.zeros(n_workers)
    worked = np.flatnonzero(n)
    if worked.size:
        farthest[worked] = np.maximum.reduceat(path, starts[worked])
    top = np.flatnonzero(path == farthest[who])[::-1]
    place = np.zeros(n_workers, dtype=np.int64)
    place[who[top]] = top
    step = place - starts + 1
    # What differs by rounding alone is no series that could change.
    at = np.flatnonzero((n >= FEWEST) & (sd > _ROUNDING * np.maximum(1.0, np.abs(mean))) & (step < n))
    turned = walk[place[at]]
    statistic = farthest[at] / (sd[at] * np.sqrt(n[at]))
    return _Tested(
        series=series,
        geometric=geometric,
        worker=at,
        row=order[starts[at] + step[at]],
        step=step[at],
        size=n[at],
        before=mean[at] + turned / step[at],
        after=mean[at] - turned / (n[at] - step[at]),
        statistic=statistic,
        p_value=kolmogorov(statistic),
    )


def _select(tested: list[_Tested], false_discovery: float) -> list[Drift]:
    adjusted = adjust(np.concatenate([one.p_value for one in tested]))
    ends = np.cumsum([one.p_value.size for one in tested])
    kept = [
        one.told(at, float(values[at]))
        for one, values in zip(tested, np.split(adjusted, ends[:-1]), strict=True)
        for at in np.flatnonzero(values <= false_discovery).tolist()
    ]
    return sorted(kept, key=lambda one: (one.adjusted, -one.statistic, one.worker))
