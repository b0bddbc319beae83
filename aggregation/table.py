"""Hold the answers of a crowd in the form that inference reads: sorted by item, then by worker."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from aggregation.arrays import Floats, Ints

MAX_LABELS = 1000
PART = 1 << 16
# From so many answers on it pays to group them by compiled code.
LARGE = 100_000


@dataclass(frozen=True, eq=False)
class LabelTable:
    """
    The answers that count, grouped by item (compressed sparse rows).

    Attributes
    ----------
    offsets : (n_items + 1,) int64
        The answers of item ``i`` stand at ``offsets[i]:offsets[i + 1]``.
    worker : (n_answers,) int32
    label : (n_answers,) int16
    n_items, n_workers, n_labels : int
    n_dropped : int
        Answers left out because the same worker answered the same item again later.

    """

    offsets: Ints
    worker: npt.NDArray[np.int32]
    label: npt.NDArray[np.int16]
    n_items: int
    n_workers: int
    n_labels: int
    n_dropped: int = 0

    @classmethod
    def from_arrays(
        cls,
        item: npt.ArrayLike,
        worker: npt.ArrayLike,
        label: npt.ArrayLike,
        n_labels: int,
        *,
        n_items: int | None = None,
        n_workers: int | None = None,
    ) -> LabelTable:
        """
        Build a table from three integer arrays of one length, in the order in which the answers were given.

        Where a worker answered an item more than once, the last answer counts.

        Parameters
        ----------
        item, worker, label : (n_answers,) int
            Dense numbers counted from 0; gaps are allowed.
        n_labels : int
            How many label values there are, from 2 to 1000.
        n_items, n_workers : int, optional
            By default one more than the largest number that occurs.

        Raises
        ------
        TypeError
            An array does not hold integers.
        ValueError
            The arrays differ in length, or a number is out of its range.

        """
        _check_labels(n_labels)
        items, workers, labels = (
            _integers(item, "item"),
            _integers(worker, "worker"),
            _integers(label, "label"),
        )
        if not items.size == workers.size == labels.size:
            msg = f"item, worker and label differ in length: {items.size}, {workers.size}, {labels.size}"
            raise ValueError(msg)
        n_items = _bound(items, n_items, "item")
        n_workers = _bound(workers, n_workers, "worker")
        _bound(labels, n_labels, "label")
        for limit, name in ((n_items, "item"), (n_workers, "worker")):
            if limit > np.iinfo(np.int32).max:
                raise ValueError(f"{name} numbers must be below 2^31, not {limit - 1}: count without great gaps")

        if items.size < LARGE:
            offsets, kept_workers, kept_labels = _group(items, workers, labels, n_items)
        else:
            from aggregation.grouping import group  # noqa: PLC0415 - the compiler takes half a second to import

            offsets, kept_workers, kept_labels = group(items, workers, labels, n_items)
        n_dropped = items.size - kept_workers.size
        return cls(offsets, kept_workers, kept_labels, n_items, n_workers, n_labels, n_dropped)

    def __post_init__(self) -> None:
        """Let nobody write to the arrays: kernels are compiled for such alone."""
        for array in (self.offsets, self.worker, self.label):
            array.flags.writeable = False

    def keep(self, mask: npt.NDArray[np.bool_]) -> LabelTable:
        """Keep the answers where ``mask``, (n_answers,), is true; items and workers keep their numbers."""
        offsets = np.zeros_like(self.offsets)
        np.cumsum(np.bincount(self.item[mask], minlength=self.n_items), out=offsets[1:])
        return replace(self, offsets=offsets, worker=self.worker[mask], label=self.label[mask], n_dropped=0)

    @property
    def n_answers(self) -> int:
        """Count the answers that are in the table."""
        return int(self.worker.size)

    @property
    def answers_per_item(self) -> Ints:
        """Count the answers of each item, (n_items,)."""
        return np.diff(self.offsets)

    @property
    def item(self) -> Ints:
        """Name the item of each answer, (n_answers,), in the table's order."""
        return np.repeat(np.arange(self.n_items), self.answers_per_item)

    def votes(self) -> Floats:
        """Count the answers of each label, (n_items, n_labels)."""
        cells = np.bincount(self.item * self.n_labels + self.label, minlength=self.n_items * self.n_labels)
        return cells.reshape(self.n_items, self.n_labels).astype(np.float64)


def _group(
    items: npt.NDArray[Any], workers: npt.NDArray[Any], labels: npt.NDArray[Any], n_items: int
) -> tuple[Ints, npt.NDArray[np.int32], npt.NDArray[np.int16]]:
    """Sort answers by item, then by worker, and keep the last of repeated ones; as `grouping.group`, for few."""
    order = np.lexsort((workers, items))
    same = (np.diff(items[order]) == 0) & (np.diff(workers[order]) == 0)
    order = order[np.append(~same, np.ones(min(order.size, 1), dtype=bool))]
    offsets = np.zeros(n_items + 1, dtype=np.int64)
    np.cumsum(np.bincount(items[order].astype(np.int64), minlength=n_items), out=offsets[1:])
    return offsets, workers[order].astype(np.int32), labels[order].astype(np.int16)


def _check_labels(n_labels: int) -> None:
    if not isinstance(n_labels, Integral):
        raise TypeError(f"n_labels must be a whole number, not {n_labels!r}")
    if n_labels < 2:
        raise ValueError(f"n_labels is {n_labels}: with fewer than two label values there is nothing to infer")
    if n_labels > MAX_LABELS:
        raise ValueError(f"n_labels is {n_labels}: at most {MAX_LABELS} label values are possible")


def _integers(values: npt.ArrayLike, name: str) -> npt.NDArray[Any]:
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, not {array.ndim}")
    if array.size == 0:
        return array.astype(np.int64)
    if not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"{name} must hold integers, not {array.dtype}")
    return array


def _bound(array: npt.NDArray[Any], limit: int | None, name: str) -> int:
    """Check that numbers lie in 0..limit-1 and return the limit, found where it is not given."""
    parts = [array[first : first + PART] for first in range(0, array.size, PART)]  # each is read from memory once
    low = min((int(part.min()) for part in parts), default=0)
    high = max((int(part.max()) for part in parts), default=-1)
    if low < 0:
        raise ValueError(f"{name} numbers count from 0, but {low} occurs")
    if limit is None:
        return high + 1
    if not isinstance(limit, Integral):
        raise TypeError(f"the number of {name}s must be whole, not {limit!r}")
    if limit < 0:
        raise ValueError(f"the number of {name}s cannot be {limit}")
    if high >= limit:
        raise ValueError(f"{name} number {high} occurs, but there are only {limit} (0 to {limit - 1})")
    return limit
