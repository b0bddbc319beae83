"""Models that weigh answers by logarithms.

A worker answers an item in state s with a label with the weight ``exp(log_confusion[r, s])``, where r is the row of
that worker and label; only rows that were answered are held, see `rows`. Models differ only in how they set these
weights from the expected counts, and so do little more than override `maximise`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aggregation import log_rows, squarem, strides
from aggregation.fit import Fit
from aggregation.rows import Rows

if TYPE_CHECKING:
    from aggregation.arrays import Floats
    from aggregation.blocks import Blocks
    from aggregation.gold import Clamp
    from aggregation.result import Result
    from aggregation.table import LabelTable


class Latent(Fit):
    """
    A fit whose weights are logarithms.

    Attributes
    ----------
    rows : Rows
    log_confusion : (n_rows, n_states) float64
    log_prevalence : (n_states,) float64

    """

    method = "latent"

    def __init__(self, table: LabelTable, clamp: Clamp, blocks: Blocks, *, subtypes: int = 1) -> None:
        self.rows = Rows(table)
        super().__init__(table, clamp, blocks, subtypes=subtypes, rows=self.rows)
        self._accepted = np.repeat(clamp.accepted, subtypes, axis=1)
        self.log_confusion: Floats = np.zeros(self.counts.shape[1:])
        self.log_prevalence = np.zeros(self.class_counts.shape[1])
        self._kernel = log_rows.expect_for(self.log_prevalence.size)

    def climb(self, max_iter: int, tol: float) -> Result:
        """Climb, where there are very many answers by extrapolation; see `strides`."""
        if self.table.n_answers < squarem.LARGE:
            return super().climb(max_iter, tol)
        return self.result(strides.climb(self, max_iter, tol))

    def beside(self) -> Floats:
        """Read the parameters that stand beside the counts: none."""
        return np.empty(0)

    def set_beside(self, beside: Floats) -> None:
        """Set the parameters beside the counts."""

    def prevalence(self) -> Floats:
        """Give the share of each label, (n_labels,)."""
        return np.exp(self.log_prevalence)

    def _expect(self, block: int, first: int, last: int) -> tuple[float, float]:
        table = self.table
        return self._kernel(
            first,
            last,
            table.offsets,
            self.cells,
            self.clamp.row,
            self._accepted,
            self.log_prevalence,
            self.log_confusion,
            self.posterior,
            self.counts[block],
            self.class_counts[block],
        )
