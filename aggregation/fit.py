"""What every model of latent labels has in common: states, counts, and the climb of expectation maximisation.

An item is in one of ``n_labels * subtypes`` states; state ``k * subtypes + m`` has the true label ``k``. Models
differ in how they weigh a worker's answer in a state, and in how they set these weights from the expected counts.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from aggregation import kernels
from aggregation.ascent import Ascent
from aggregation.memory import empty, zeros
from aggregation.result import TIE, Result, ranks
from aggregation.rows import Rows, agreeing
from aggregation.watching import tell

if TYPE_CHECKING:
    from aggregation.arrays import Floats, Ints
    from aggregation.blocks import Blocks
    from aggregation.gold import Clamp
    from aggregation.table import LabelTable

# 4 GiB of confusion matrices, and as much again for their counts.
MOST_CELLS = 1 << 29


class Fit:
    """
    The state of a fit: posterior and counts, and the two steps that go from one to another.

    Attributes
    ----------
    posterior : (n_items, n_states) float64
    counts : (n_blocks, n_workers, n_labels, n_states or more) or (n_blocks, n_rows, n_states or more) float64
        Expected answers by worker, answered label and state: the kernels walk them in this order.
    cells : (n_answers,) int32
        In which row of ``counts``, of all rows that are held, each answer is; a row is a worker's answered label.
    class_counts : (n_blocks, n_states) float64
        Expected items by state, of those that were answered and are not gold.
    many_cells : bool
        Whether there are more cells of confusion than answers.
    penalty : float
        What the bound has besides the likelihood: the log density of the priors, or minus a divergence from them.

    """

    method = "fit"

    def __init__(
        self,
        table: LabelTable,
        clamp: Clamp,
        blocks: Blocks,
        *,
        subtypes: int = 1,
        room: int | None = None,
        rows: Rows | None = None,
    ) -> None:
        """
        Begin with nothing; a row of counts has ``room`` for so many numbers, by default for one of each state.

        All rows are held, or those ``rows`` that were answered.
        """
        n_labels, n_states = table.n_labels, table.n_labels * subtypes
        cells = table.n_workers * n_labels * n_states
        self.many_cells = cells > table.n_answers
        if cells > MOST_CELLS:
            raise ValueError(
                f"{table.n_workers} workers over {n_labels} labels have {cells:,} cells of confusion, and at most "
                f"{MOST_CELLS:,} are held: use majority, wawa or glad, which need none"
            )
        self.table, self.clamp, self.blocks, self.subtypes = table, clamp, blocks, subtypes
        self._answered_rows = rows
        shape = (table.n_workers, n_labels) if rows is None else (len(rows),)
        self.counts: Floats = zeros(len(blocks), *shape, room or n_states)
        self.class_counts = np.zeros((len(blocks), n_states))
        self.posterior = empty(table.n_items, n_states)
        if rows is None:
            self.cells = empty(table.n_answers, dtype=np.int32)
            blocks.share(
                table.n_answers,
                lambda first, last: kernels.find_cells(first, last, table.worker, table.label, n_labels, self.cells),
            )
        else:
            self.cells = rows.of_answer
        self.penalty = 0.0

    def maximise(self) -> None:
        """Set the weights and the penalty that the counts imply."""
        raise NotImplementedError

    def forget(self) -> None:
        """Set parameters that `maximise` only improves to where they are before any answer."""

    def settle(self) -> None:
        """Bring parameters that `maximise` only improves to where the counts, as they are, want them."""

    def confusion(self) -> Floats:
        """Give the confusion matrices, (n_workers, true, answered)."""
        raise NotImplementedError

    def prevalence(self) -> Floats:
        """Give the share of each label, (n_labels,)."""
        raise NotImplementedError

    def votes(self) -> Floats:
        """Give each label's share of the answers to each item, gold clamped, (n_items, n_labels); see `majority`."""
        posterior = empty(self.table.n_items, self.table.n_labels)
        sums = np.empty((len(self.blocks), self.table.n_labels))
        table, clamp = self.table, self.clamp

        def vote(block: int, first: int, last: int) -> None:
            kernels.vote(first, last, table.offsets, table.label, clamp.row, clamp.accepted, posterior, sums[block])

        self.blocks.map(vote)
        total = sums.sum(axis=0)
        unknown = (np.diff(table.offsets) == 0) & ~clamp.known
        if unknown.any():
            posterior[unknown] = total / total.sum() if total.any() else 1 / table.n_labels
        return posterior

    def merged(self) -> Floats:
        """Give the counts of all blocks together."""
        merged: Floats = self.counts.sum(axis=0) if len(self.blocks) > 1 else self.counts[0]
        return merged

    def agreement(self) -> Floats:
        """Count answers by label given and, as the posterior has it, true label, (n_labels, n_labels)."""
        n_labels = self.table.n_labels
        rows = self._answered_rows
        if rows is not None:
            found = np.zeros((n_labels, n_labels))
            agreeing(self.counts, rows.label, self.subtypes, found)
            return found
        counts = self.counts.sum(axis=(0, 1))[:, : n_labels * self.subtypes]
        agreed: Floats = counts.reshape(n_labels, n_labels, self.subtypes).sum(axis=2)
        return agreed

    def begin(self, posterior: Floats, *, gold_only: bool = False) -> None:
        """Set the weights that a distribution over states implies, counting all answers or those to gold."""
        self.posterior = posterior
        self.blocks.map(partial(self._tally, gold_only=gold_only))
        self.maximise()

    def begin_with_votes(self, *, gold_only: bool = False) -> None:
        """Begin with what majority vote says."""
        self.begin(self.votes(), gold_only=gold_only)

    def begin_with_nothing(self) -> None:
        """Set the weights that no answers imply: those of the prior."""
        self.counts[:] = 0.0
        self.class_counts[:] = 0.0
        self.posterior[:] = 0.0
        self.maximise()

    def expect(self) -> tuple[float, float]:
        """Infer the posterior and count with it; give the bound at these weights, and the largest change."""
        pairs = self.blocks.map(self._expect)
        bound, change = sum(pair[0] for pair in pairs) + self.penalty, max(pair[1] for pair in pairs)
        tell(bound, change)
        return bound, change

    def climb(self, max_iter: int, tol: float) -> Result:
        """Repeat both steps until the climb is over, see `Ascent`, and end on an expectation."""
        ascent = Ascent(max_iter, tol, many_cells=self.many_cells)
        self.expect()
        self.maximise()
        while not ascent.arrive(*self.expect()):
            self.maximise()
        return self.result(ascent)

    def result(self, ascent: Ascent, *, with_confusion: bool = True) -> Result:
        """Take the present state down as the result of a climb."""
        n_items, prevalence = self.table.n_items, self.prevalence()
        posterior = self.posterior
        if self.subtypes > 1:
            posterior = posterior.reshape(n_items, self.table.n_labels, self.subtypes).sum(axis=2)
        return Result(
            posterior=posterior,
            labels=self._most_probable(posterior, prevalence),
            confusion=self.confusion() if with_confusion else None,
            prevalence=prevalence,
            objective=np.array(ascent.objective),
            n_iter=len(ascent.objective),
            converged=ascent.converged,
            method=self.method,
            params={"ended": ascent.ended},
        )

    def _most_probable(self, posterior: Floats, prevalence: Floats) -> Ints:
        """Pick labels as `result.most_probable` does, block by block."""
        labels = empty(self.table.n_items, dtype=np.int64)
        rank = ranks(prevalence)
        choose = kernels.choose_for(self.table.n_labels)
        self.blocks.map(lambda _, first, last: choose(first, last, posterior, rank, TIE, labels))
        return labels

    def _tally(self, block: int, first: int, last: int, *, gold_only: bool) -> None:
        kernels.tally(
            first,
            last,
            self.table.offsets,
            self.cells,
            self.clamp.row,
            self.posterior,
            self.counts[block].reshape(-1, self.counts.shape[-1]),
            self.class_counts[block],
            gold_only,
        )

    def _expect(self, block: int, first: int, last: int) -> tuple[float, float]:
        """Take the step of expectation for a block; give its log likelihood, and the largest change."""
        raise NotImplementedError
