"""Which rows of confusion are answered: a row is a worker's answered label, and has a number for each true label.

With a thousand labels a worker has a thousand rows, and a hundred answers are in a hundred of them at most. What is
known of all other rows is their prior, and how much of each column is left to them. So only rows that were answered are
held, and steps take as long as answers have labels, not as workers have cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from aggregation.compiler import compiled
from aggregation.memory import empty

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from aggregation.arrays import Floats, Ints
    from aggregation.table import LabelTable


class Rows:
    """
    The rows that were answered, ordered by worker and label.

    Attributes
    ----------
    worker, label : (n_rows,) int64
        Whose row it is, and which label was answered.
    first : (n_workers + 1,) int64
        Where each worker's rows begin, and the last one's end.
    of_answer : (n_answers,) int32
        Each answer's row.

    """

    def __init__(self, table: LabelTable) -> None:
        n_labels = table.n_labels
        key = table.worker * np.int64(n_labels) + table.label
        met = np.zeros(table.n_workers * n_labels, dtype=np.bool_)
        met[key] = True
        keys = np.flatnonzero(met)
        self.worker, self.label = np.divmod(keys, n_labels)
        self.first: Ints = np.searchsorted(keys, np.arange(table.n_workers + 1) * n_labels)
        self.of_answer: npt.NDArray[np.int32] = (np.cumsum(met, dtype=np.int32) - np.int32(1))[key]

    def __len__(self) -> int:
        return self.label.size

    def put(self, answered: Floats, confusion: Floats) -> None:
        """Put answered rows, (n_rows, n_labels or more), into the matrices of workers, (n_workers, true, answered)."""
        put_rows(self.first, self.label, answered, confusion)


class Matrices(NamedTuple):
    """
    Confusion matrices of which only answered rows are held, and what those of a worker's other rows are.

    Attributes
    ----------
    rows : Rows
    answered : (n_rows, n_labels) float64
        Confusion by true label.
    wrong, right : (n_workers, n_labels) float64
        By true label, the chance of each wrong answer that was never given, and of the right one where it was not.

    """

    rows: Rows
    answered: Floats
    wrong: Floats
    right: Floats

    def of_all_rows(self) -> Floats:
        """Give them with all rows, (n_workers, true, answered)."""
        n_workers, n_labels = self.wrong.shape
        confusion = empty(n_workers, n_labels, n_labels)
        confusion[:] = self.wrong[:, :, None]
        own = np.arange(n_labels)
        confusion[:, own, own] = self.right
        self.rows.put(self.answered, confusion)
        return confusion


def mean(matrices: Sequence[Matrices], weights: Sequence[float]) -> Matrices:
    """Average matrices of the same rows; weights need not sum to 1."""
    parts = zip(*(one[1:] for one in matrices), strict=True)
    return Matrices(matrices[0].rows, *(sum(w * a for w, a in zip(weights, part, strict=True)) for part in parts))


def most_cells(table: LabelTable) -> int:
    """Say how many cells the rows that were answered have at most."""
    return min(table.n_workers * table.n_labels, table.n_answers) * table.n_labels


@compiled
def put_rows(begins: Ints, label: Ints, answered: Floats, confusion: Floats) -> None:
    """Put answered rows into matrices in the order of their memory: a column of a thousand labels is in no cache."""
    for w in range(begins.size - 1):
        for k in range(confusion.shape[1]):
            row = confusion[w, k]
            for r in range(begins[w], begins[w + 1]):
                row[label[r]] = answered[r, k]


@compiled
def count_right(
    first: int, last: int, worker: Ints, label: Ints, counts: Floats, agreed: Floats, given: Floats
) -> None:
    """Count what is right of some rows, and all, by worker and answered label, over blocks, (n_blocks, n_rows, n)."""
    for r in range(first, last):
        w, a = worker[r], label[r]
        for b in range(counts.shape[0]):
            agreed[w, a] += counts[b, r, a]
            for k in range(counts.shape[2]):
                given[w, a] += counts[b, r, k]


@compiled
def set_rows(first: int, last: int, label: Ints, wrong: Floats, right: Floats, rows: Floats) -> None:
    """Set some rows to one value, (n_rows,), but where the true label is the one that was answered."""
    for r in range(first, last):
        for k in range(rows.shape[1]):
            rows[r, k] = wrong[r]
        rows[r, label[r]] = right[r]


@compiled
def column_sums(first: int, last: int, begins: Ints, counts: Floats, sums: Floats) -> None:
    """Add up the rows of some workers, (n_rows, room), to what each worker's columns sum to, (n_workers, n)."""
    for w in range(first, last):
        for r in range(begins[w], begins[w + 1]):
            for s in range(sums.shape[1]):
                sums[w, s] += counts[r, s]


@compiled
def agreeing(counts: Floats, label: npt.NDArray[Any], subtypes: int, agreement: Floats) -> None:
    """Add up rows of counts, (n_blocks, n_rows, room), by answered and true label, (n_labels, n_labels)."""
    for b in range(counts.shape[0]):
        for r in range(label.size):
            for s in range(agreement.shape[1] * subtypes):
                agreement[label[r], s // subtypes] += counts[b, r, s]
