"""The bias alarm: gold that the crowd gets wrong more often than the consensus claims.

Agreement cannot see an error that most workers share; gold can. The consensus of gold items, inferred with no gold
known, claims a confidence for each; were it honest, the number right would be a sum of chances of that size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gold.flags import Flag, select, tail

if TYPE_CHECKING:
    from aggregation.arrays import Bools, Floats

FALSE_ALARM = 0.05
# Fewer gold items of a label than this are not tested apart.
FEWEST = 5
# Confidence is taken to be no surer than this: one miss among a few sure items is no bias.
SUREST = 0.99


def bias(
    without_gold: Floats,
    accepted: Bools,
    answered: Bools,
    *,
    false_discovery: float = FALSE_ALARM,
    labels: Sequence[str] | None = None,
) -> list[Flag]:
    """
    Compare accuracy on gold with the confidence claimed, for each label.

    Parameters
    ----------
    without_gold : (n_items, n_labels)
        Calibrated consensus inferred with no gold known.
    accepted : (n_items, n_labels) bool
    answered : (n_items,) bool
        Items that the consensus had answers to.
    labels : sequence of str, optional
        Names of the label values, for the reasons; by default their numbers.

    Returns
    -------
    list of Flag
        The subject is the true label value; reasons say what to do.

    """
    names = tuple(map(str, range(accepted.shape[1]))) if labels is None else tuple(labels)
    gold = np.flatnonzero(accepted.any(axis=1) & answered)
    if not gold.size:
        return []
    decided = without_gold[gold].argmax(axis=1)
    claimed = np.minimum(without_gold[gold].max(axis=1), SUREST)
    hit = accepted[gold, decided]
    true = accepted[gold].argmax(axis=1)
    tested = []
    for label in np.unique(true).tolist():
        rows = true == label
        if rows.sum() < FEWEST:
            continue
        misses = int((~hit[rows]).sum())
        instead = np.bincount(decided[rows][~hit[rows]], minlength=accepted.shape[1])
        tested.append(
            Flag(
                subject=label,
                kind="bias",
                statistic=float(claimed[rows].mean() - hit[rows].mean()),
                p_value=tail(1 - claimed[rows], misses),
                reason=_advice(
                    names[label], int(rows.sum()), misses, float(claimed[rows].mean()), names[int(instead.argmax())]
                ),
            )
        )
    return select(tested, false_discovery)


def _advice(label: str, n: int, misses: int, claimed: float, instead: str) -> str:
    return (
        f"The consensus gets {n - misses} of {n} gold items of label value {label} right and claims "
        f"{claimed:.0%}; most of the "
        f"others it takes for label value {instead}. Where this gold is flagged too, look at it first. Otherwise more "
        "answers will not mend it: say in the guidelines how "
        f"the two are told "
        "apart, give examples, add gold of both, and have items between them decided by a person."
    )
