"""Score workers on the gold that they answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from aggregation import LabelTable
    from aggregation.arrays import Bools, Floats, Ints


@dataclass(frozen=True, eq=False)
class GoldScore:
    """
    Right and all gold answers, per worker and per worker and true label.

    Attributes
    ----------
    right, total : (n_workers,) int64
    right_by_label, total_by_label : (n_workers, n_labels) float64
        A right answer counts for the label that was given. A wrong one counts for the accepted label; where
        there are several, each has an even share of it.

    """

    right: Ints
    total: Ints
    right_by_label: Floats
    total_by_label: Floats


def score(table: LabelTable, accepted: Bools) -> GoldScore:
    """
    Compare answers with the accepted labels of gold.

    Scores hold for the gold as it is given: correct a gold item and score again, and it is as though the
    mistake had never been made.

    Parameters
    ----------
    table : LabelTable
        Where a worker answered an item again, the last answer is the one in it.
    accepted : (n_items, n_labels) bool
        No label accepted means that the item is not gold.

    Raises
    ------
    ValueError
        ``accepted`` does not have the table's shape.

    """
    shape = (table.n_items, table.n_labels)
    if accepted.shape != shape:
        raise ValueError(f"accepted labels cover {accepted.shape}, but the table has {shape}")
    known = accepted.sum(axis=1) > 0
    is_gold = known[table.item]
    item, worker, label = table.item[is_gold], table.worker[is_gold], table.label[is_gold]
    hit = accepted[item, label]
    right_by_label = np.zeros((table.n_workers, table.n_labels))
    np.add.at(right_by_label, (worker[hit], label[hit]), 1)
    total_by_label = right_by_label.copy()
    missed = accepted[item[~hit]]
    np.add.at(total_by_label, worker[~hit], missed / missed.sum(axis=1, keepdims=True))
    return GoldScore(
        right=np.bincount(worker[hit], minlength=table.n_workers),
        total=np.bincount(worker, minlength=table.n_workers),
        right_by_label=right_by_label,
        total_by_label=total_by_label,
    )
