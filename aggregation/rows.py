"""Which rows of confusion are answered: a row is a worker's answered label, and has a number for each true label.

With a thousand labels a worker has a thousand rows, and a hundred answers are in a hundred of them at most. What is
known of all other rows is their prior, and how much of each column is left to them. So only rows that were answered are
held, and steps take as long as answers have labels, not as workers have cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from aggregation.compiler import compiled

if TYPE_CHECKING:
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


@compiled
def agreeing(counts: Floats, label: npt.NDArray[Any], subtypes: int, agreement: Floats) -> None:
    """Add up rows of counts, (n_blocks, n_rows, room), by answered and true label, (n_labels, n_labels)."""
    for b in range(counts.shape[0]):
        for r in range(label.size):
            for s in range(agreement.shape[1] * subtypes):
                agreement[label[r], s // subtypes] += counts[b, r, s]
