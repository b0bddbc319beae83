"""A finding with its statistic, its chance if nothing were wrong, and a sentence; and how many are kept in check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from aggregation.arrays import Floats


class Flag(Struct, frozen=True, kw_only=True):
    """
    One finding about one subject, for a person to look at.

    Attributes
    ----------
    subject
        Number of the gold item, worker or label value.
    kind
        What was found.
    statistic
        The figure that the finding rests on.
    p_value
        The chance of a figure as extreme if nothing were wrong.
    adjusted
        The least false discovery rate at which this would still be found among all that was tested.
    reason
        A sentence.

    """

    subject: int
    kind: str
    statistic: float
    p_value: float
    reason: str
    adjusted: float = 1.0


def adjust(p_values: Floats) -> Floats:
    """Adjust p-values for their number: Benjamini, Hochberg (1995), Journal of the Royal Statistical Society B 57."""
    if not p_values.size:
        return p_values
    order = np.argsort(p_values, kind="stable")
    scaled = p_values[order] * p_values.size / np.arange(1, p_values.size + 1)
    adjusted = np.empty_like(scaled)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return adjusted


def select(tested: Sequence[Flag], false_discovery: float) -> list[Flag]:
    """Keep what stands at this false discovery rate among all that was tested, the surest first."""
    adjusted = adjust(np.array([flag.p_value for flag in tested]))
    kept = [
        replace(flag, adjusted=float(value))
        for flag, value in zip(tested, adjusted, strict=True)
        if value <= false_discovery
    ]
    return sorted(kept, key=lambda flag: (flag.adjusted, flag.p_value, flag.subject))


def tail(chances: Floats, at_least: int) -> float:
    """Give the chance that at least so many of independent events occur, whose chances differ (Poisson binomial)."""
    distribution = np.zeros(chances.size + 1)
    distribution[0] = 1.0
    for chance in chances:
        distribution[1:] = distribution[1:] * (1 - chance) + distribution[:-1] * chance
        distribution[0] *= 1 - chance
    return float(min(1.0, distribution[max(at_least, 0) :].sum()))
