"""What a worker did in earlier jobs, as a prior for the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from aggregation.arrays import Floats

# After so many days an earlier job tells half as much; another kind of job tells a quarter of the same kind.
HALF_LIFE_DAYS = 90.0
OTHER_KIND = 0.25
# However long the past, it counts for no more than so many gold answers, or so much log likelihood.
MOST_ANSWERS = 20.0
MOST_LOG = 3.0


def discount(days: npt.ArrayLike, same_kind: npt.ArrayLike) -> Floats:
    """Give the weight of earlier jobs by their age in days and whether they were of the same kind, (n,)."""
    age = np.maximum(np.asarray(days, dtype=np.float64), 0.0)
    weight: Floats = 0.5 ** (age / HALF_LIFE_DAYS) * np.where(np.asarray(same_kind, dtype=bool), 1.0, OTHER_KIND)
    return weight


def prior(
    right: npt.ArrayLike, total: npt.ArrayLike, weight: npt.ArrayLike, *, base: tuple[float, float] = (1.0, 1.0)
) -> tuple[float, float]:
    """
    Sum one worker's earlier gold into a Beta prior of their accuracy (a power prior: Ibrahim, Chen 2000).

    Parameters
    ----------
    right, total, weight : (n_jobs,)

    """
    weights, every = np.asarray(weight, dtype=np.float64), np.asarray(total, dtype=np.float64)
    held = float(weights @ every)
    scale = min(1.0, MOST_ANSWERS / held) if held else 0.0
    good = float(weights @ np.asarray(right, dtype=np.float64)) * scale
    return base[0] + good, base[1] + held * scale - good


def priors(right: Floats, total: Floats) -> tuple[Floats, Floats]:
    """Hold discounted sums of earlier gold, right and of how much, each within the bound that `prior` has."""
    scale = np.minimum(1.0, MOST_ANSWERS / np.maximum(total, MOST_ANSWERS))
    return right * scale, total * scale


def carry(log_ratio: npt.ArrayLike, weight: npt.ArrayLike) -> float:
    """
    Sum one worker's log ratios, bad over good, of earlier jobs into log odds for the next, held within bounds.

    They lean on how much gold is asked and on who is watched. They never suspend: a suspension rests on evidence of
    its own job.
    """
    summed = float(np.asarray(log_ratio, dtype=np.float64) @ np.asarray(weight, dtype=np.float64))
    return float(np.clip(summed, -MOST_LOG, MOST_LOG))
