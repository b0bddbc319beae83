"""Models with one number per worker: the one-coin model, and MACE.

In ``one_coin`` a worker is right with one chance, whatever the true label, and wrong answers fall evenly on the
other labels: Dawid and Skene's model with a single parameter per worker. In ``mace`` a worker either knows, and
gives the true label, or spams, and draws from a habit of their own (D. Hovy, T. Berg-Kirkpatrick, A. Vaswani,
E. Hovy 2013, Learning whom to trust with MACE); fitted here to the maximum a posteriori.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from aggregation.blocks import Blocks
from aggregation.climbing import check_limits, fit_from_votes, warn_unless_converged
from aggregation.kernels import FLOOR
from aggregation.latent import Latent
from aggregation.memory import empty
from aggregation.prior import Prior
from aggregation.restarts import Restarts
from aggregation.rows import count_right, most_cells, set_rows

if TYPE_CHECKING:
    from aggregation.arrays import Floats
    from aggregation.gold import Clamp
    from aggregation.result import Result
    from aggregation.table import LabelTable

# What was extrapolated is kept this far from 0 and 1.
EDGE = 1e-6


class OneCoin(Latent):
    """
    A chance to be right for each worker.

    Without a bound from below the likeliest explanation of a noisy crowd can be that nearly all items have one label
    and that half of the workers always say the opposite. So a worker is held to be worse than a guess only as far
    as their prior, or their answers to gold, say so.
    """

    method = "one_coin"

    def __init__(self, table: LabelTable, clamp: Clamp, blocks: Blocks, prior: Prior) -> None:
        super().__init__(table, clamp, blocks)
        self.prior = prior
        self._right, self._wrong = prior.accuracy_counts(table.n_workers)
        self._own = np.arange(table.n_labels)
        self._least = np.minimum(1 / table.n_labels, self._known_accuracy())

    def _known_accuracy(self) -> Floats:
        """Give what prior and gold alone say of each worker's accuracy, (n_workers,)."""
        item, given = self.table.item, self.table.label
        told = self.clamp.known[item]
        worker, gold = self.table.worker[told], self.clamp.accepted[self.clamp.row[item[told]]]
        hit = gold[np.arange(worker.size), given[told]]
        right = self._right + np.bincount(worker, hit, minlength=self._right.size)
        share: Floats = right / (self._right + self._wrong + np.bincount(worker, minlength=self._right.size))
        return share

    def maximise(self) -> None:
        """Set each worker's chance, and the prevalence."""
        agreed, given = self._counted()
        right = agreed.sum(axis=1) + self._right
        wrong = given.sum(axis=1) + self._right + self._wrong - right
        self.chance = np.maximum(right / (right + wrong), self._least)
        log_right, log_wrong = np.log(self.chance), np.log1p(-self.chance)
        worker = self.rows.worker
        self._set_rows((log_wrong - np.log(self.table.n_labels - 1))[worker], log_right[worker])
        self.penalty = float(self._right @ log_right + self._wrong @ log_wrong) + self._set_prevalence()

    def confusion(self) -> Floats:
        """Give the confusion matrices, (n_workers, true, answered)."""
        n_labels = self.table.n_labels
        confusion = empty(self.table.n_workers, n_labels, n_labels)
        confusion[:] = ((1 - self.chance) / (n_labels - 1))[:, None, None]
        confusion[:, self._own, self._own] = self.chance[:, None]
        return confusion

    def _counted(self) -> tuple[Floats, Floats]:
        """Count by worker and answered label, (n_workers, n_labels): answers that are right, and all."""
        rows = self.rows
        agreed, given = np.zeros((2, self.table.n_workers, self.table.n_labels))
        self.blocks.share(
            len(rows),
            lambda first, last: count_right(first, last, rows.worker, rows.label, self.counts, agreed, given),
        )
        return agreed, given

    def _set_rows(self, log_wrong: Floats, log_right: Floats) -> None:
        """Set the weights of rows, (n_rows,) each: what is answered where it is wrong, and where it is right."""
        self.blocks.share(
            len(self.rows),
            lambda first, last: set_rows(first, last, self.rows.label, log_wrong, log_right, self.log_confusion),
        )

    def _set_prevalence(self) -> float:
        weight = np.maximum(self.class_counts.sum(axis=0) + self.prior.prevalence, FLOOR)
        self.log_prevalence[:] = np.log(weight / weight.sum())
        return float(self.prior.prevalence @ self.log_prevalence)


class Mace(OneCoin):
    """A chance to know for each worker, and a habit of answering where they do not."""

    method = "mace"
    # Pseudo-counts of each worker's habit, over all labels together.
    habit_counts = 1.0

    def __init__(self, table: LabelTable, clamp: Clamp, blocks: Blocks, prior: Prior) -> None:
        super().__init__(table, clamp, blocks, prior)
        self.forget()

    def forget(self) -> None:
        """Expect what the prior does, and habits that are even."""
        self.knows: Floats = self._right / (self._right + self._wrong)
        self.habit: Floats = np.full((self.table.n_workers, self.table.n_labels), 1 / self.table.n_labels)

    def maximise(self) -> None:
        """Share right answers between knowing and luck, then set both parameters and the prevalence."""
        agreed, given = self._counted()
        luck = (1 - self.knows)[:, None] * self.habit
        known = agreed * self.knows[:, None] / (self.knows[:, None] + luck)
        spam = given - known
        knows = known.sum(axis=1) + self._right
        spams = spam.sum(axis=1) + self._wrong
        self.knows = knows / (knows + spams)
        each = self.habit_counts / self.table.n_labels
        self.habit = (spam + each) / (spam + each).sum(axis=1, keepdims=True)
        self.weigh()
        self.penalty = self._set_prevalence() + float(
            self._right @ np.log(self.knows) + self._wrong @ np.log1p(-self.knows) + each * np.log(self.habit).sum()
        )

    def beside(self) -> Floats:
        """Read who knows, then habits."""
        return np.concatenate([self.knows, self.habit.ravel()])

    def set_beside(self, beside: Floats) -> None:
        """Set who knows, and habits, brought back to where they may be."""
        self.knows = np.clip(beside[: self.knows.size], EDGE, 1 - EDGE)
        habit = np.maximum(beside[self.knows.size :].reshape(self.habit.shape), EDGE / self.table.n_labels)
        self.habit = habit / habit.sum(axis=1, keepdims=True)

    def weigh(self) -> None:
        """Set the weights that both parameters imply."""
        luck = (1 - self.knows)[:, None] * self.habit
        answered = self.rows.worker, self.rows.label
        self._set_rows(np.log(luck)[answered], np.log(luck + self.knows[:, None])[answered])

    def confusion(self) -> Floats:
        """Give the confusion matrices, (n_workers, true, answered)."""
        luck = (1 - self.knows)[:, None] * self.habit
        confusion = empty(self.table.n_workers, self.table.n_labels, self.table.n_labels)
        confusion[:] = luck[:, None, :]
        confusion[:, self._own, self._own] += self.knows[:, None]
        return confusion


def one_coin(
    table: LabelTable,
    clamp: Clamp,
    *,
    prior: Prior | None = None,
    start: Result | None = None,
    restarts: int = 1,
    seed: int = 0,
    max_iter: int = 10_000,
    tol: float = 1e-8,
    threads: int | None = None,
) -> Result:
    """
    Fit the one-coin model.

    ``prior`` counts right and wrong answers, by default `Prior.of_accuracy`; ``start`` is an earlier result to begin
    from. Of ``restarts`` climbs, all but the first begun as ``seed`` has it, the highest is kept; see `restarts`.
    """
    return _fit(OneCoin, table, clamp, prior, start, Restarts(restarts, seed), max_iter, tol, threads)


def mace(
    table: LabelTable,
    clamp: Clamp,
    *,
    prior: Prior | None = None,
    start: Result | None = None,
    restarts: int = 1,
    seed: int = 0,
    max_iter: int = 10_000,
    tol: float = 1e-8,
    threads: int | None = None,
) -> Result:
    """
    Fit MACE.

    ``prior`` counts answers known and spammed, by default `Prior.of_accuracy`; ``start`` is an earlier result to begin
    from. Of ``restarts`` climbs, all but the first begun as ``seed`` has it, the highest is kept; see `restarts`.
    """
    return _fit(Mace, table, clamp, prior, start, Restarts(restarts, seed), max_iter, tol, threads)


def _fit(
    model: type[OneCoin],
    table: LabelTable,
    clamp: Clamp,
    prior: Prior | None,
    start: Result | None,
    again: Restarts,
    max_iter: int,
    tol: float,
    threads: int | None,
) -> Result:
    prior = Prior.of_accuracy(table.n_labels) if prior is None else prior
    prior.check(table.n_workers, table.n_labels)
    check_limits(max_iter, tol)
    limits = {"max_iter": max_iter, "tol": tol, "warm": start is not None}
    params = {"prior": prior.describe(), **limits, **again._asdict()}
    with Blocks(table, most_cells(table), threads=threads) as blocks:
        result = fit_from_votes(model(table, clamp, blocks, prior), max_iter, tol, start, again)
    warn_unless_converged(result, params)
    return replace(result, params={**params, **result.params})
