"""Turn known labels into the form that inference clamps items with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aggregation.memory import empty

if TYPE_CHECKING:
    import numpy.typing as npt

    from aggregation.arrays import Bools, Floats, Ints
    from aggregation.result import Result


@dataclass(frozen=True, eq=False)
class Clamp:
    """
    The items whose label is known, or known to be one of a few.

    Attributes
    ----------
    row : (n_items,) int32
        Row of the item in ``accepted``, -1 where nothing is known.
    accepted : (n_gold, n_labels) bool

    """

    row: npt.NDArray[np.int32]
    accepted: Bools

    @classmethod
    def from_gold(cls, gold: npt.ArrayLike | None, n_items: int, n_labels: int) -> Clamp:
        """
        Read gold given as labels, (n_items,) int with -1 where unknown, or as accepted labels.

        Accepted labels are (n_items, n_labels) bool; a row without any is an item of which nothing is known.

        Raises
        ------
        TypeError
            The array holds neither integers nor, in two dimensions, truth values.
        ValueError
            Its shape is not that of the table, or a label is out of range.

        """
        if gold is None:
            row = empty(n_items, dtype=np.int32)
            row.fill(-1)
            return cls(row, np.zeros((0, n_labels), dtype=bool))
        array = np.asarray(gold)
        if array.ndim == 1 and array.size != n_items:
            raise ValueError(f"gold is of {array.size} items, and the table has {n_items}")
        mask = _one_hot(array, n_labels) if array.ndim == 1 else array
        if mask.dtype != np.bool_:
            raise TypeError(f"accepted labels of gold must be truth values, not {mask.dtype}")
        if mask.shape != (n_items, n_labels):
            raise ValueError(f"gold covers {mask.shape}, but the table has {(n_items, n_labels)}")
        known = mask.any(axis=1)
        row = np.where(known, np.cumsum(known) - 1, -1).astype(np.int32)
        return cls(row, np.ascontiguousarray(mask[known]))

    def without(self, items: Ints) -> Clamp:
        """Forget what is known of some items."""
        row = self.row.copy()
        row[items] = -1
        kept = np.flatnonzero(row >= 0)
        accepted = self.accepted[row[kept]]
        row[kept] = np.arange(kept.size, dtype=np.int32)
        return Clamp(row, accepted)

    @property
    def known(self) -> Bools:
        """Say which items are gold, (n_items,)."""
        return self.row >= 0

    def apply(self, posterior: Floats) -> Floats:
        """
        Restrict distributions, (n_items, n_labels), to the accepted labels of gold, in place.

        Where a distribution gives an item's accepted labels nothing, they share it evenly.
        """
        known = self.known
        kept = np.where(self.accepted, posterior[known], 0.0)
        total = kept.sum(axis=1, keepdims=True)
        even = self.accepted / np.maximum(self.accepted.sum(axis=1, keepdims=True), 1)
        posterior[known] = np.where(total > 0, kept / np.where(total > 0, total, 1.0), even)
        return posterior


@dataclass(frozen=True, eq=False)
class HeldOut:
    """
    Gold that was not told, and what was inferred without it.

    Attributes
    ----------
    items : (n,) int, gold items that have answers
    known : Clamp, what was told: the other gold
    result : Result
    right : (n, n_labels) bool, the items' accepted labels

    """

    items: Ints
    known: Clamp
    result: Result
    right: Bools

    def hits(self, labels: Ints) -> Floats:
        """Tell of labels of all items, (n_items,), which of those held out are right, (n,)."""
        hit: Floats = self.right[np.arange(self.items.size), labels[self.items]].astype(np.float64)
        return hit


def _one_hot(gold: npt.NDArray[np.int64], n_labels: int) -> Bools:
    if gold.size and not np.issubdtype(gold.dtype, np.integer):
        raise TypeError(f"gold must hold integers (-1 where unknown), not {gold.dtype}")
    if gold.size and not -1 <= gold.min() <= gold.max() < n_labels:
        raise ValueError(f"gold labels must lie between -1 (unknown) and {n_labels - 1}")
    mask: Bools = gold[:, None] == np.arange(n_labels)
    return mask
