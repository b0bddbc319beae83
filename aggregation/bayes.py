"""Bayesian classifier combination by variational Bayes: with a fixed prior, pooled, and with subtypes of labels.

``bcc`` is Dawid and Skene's model with Dirichlet distributions kept for all parameters (H.-C. Kim and
Z. Ghahramani 2012, Bayesian classifier combination; variational updates as in E. Simpson et al. 2013). In
``hierarchical`` each row of a worker's confusion is drawn around that worker's accuracy, and accuracies around the
crowd's; how tightly is learnt. ``ebcc`` besides splits each label into subtypes on which workers err together
(Y. Li, B. Rubinstein, T. Cohn 2019, Exploiting worker correlation for label aggregation in crowdsourcing).

The bound is the evidence lower bound, plus the log density of pooled parameters where there are any.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from aggregation import cavity, dirichlet, strides
from aggregation.blocks import Blocks
from aggregation.climbing import check_limits, fit_from_votes, warn_unless_converged
from aggregation.latent import Latent
from aggregation.memory import empty
from aggregation.prior import Prior
from aggregation.restarts import Restarts
from aggregation.rows import Matrices, column_sums, most_cells

if TYPE_CHECKING:
    from aggregation.arrays import Floats
    from aggregation.gold import Clamp
    from aggregation.result import Result
    from aggregation.table import LabelTable

# Pseudo-counts of how answers split into subtypes, per subtype.
SUBTYPE = 1.0
# Pooling at a warm start ends where nothing changes by more, in proportion, or after so many times.
POOLED, MOST_POOLINGS = 1e-6, 300
# Accuracies that were extrapolated are kept this far from 0 and 1, and strength from 0.
EDGE = 1e-3


class Bcc(Latent):
    """Dirichlet posteriors of confusion and prevalence under a prior that stays as it is."""

    method = "bcc"

    def __init__(self, table: LabelTable, clamp: Clamp, blocks: Blocks, prior: Prior, *, subtypes: int = 1) -> None:
        super().__init__(table, clamp, blocks, subtypes=subtypes)
        self.prior = prior
        self.prior_rows: Floats
        self.columns: Floats
        self._set_prior()
        self._split = np.full((table.n_labels, subtypes), SUBTYPE)

    def _set_prior(self) -> None:
        """Set the Dirichlet parameters of rows that were answered, and what those of all rows sum to."""
        confusion, rows = self.prior.confusion, self.rows
        own = confusion.T[rows.label] if confusion.ndim == 2 else confusion.transpose(0, 2, 1)[rows.worker, rows.label]
        self.prior_rows = np.ascontiguousarray(own, dtype=np.float64)
        self.columns = np.atleast_2d(confusion.sum(axis=-1, dtype=np.float64))

    def maximise(self) -> None:
        """Set the expected logarithms that the counts and the prior imply."""
        given = self.rows.first, self.counts, self.prior_rows, self.columns, self.log_confusion

        def set_some(first: int, last: int) -> float:
            return dirichlet.expected_logs(first, last, *given, np.empty((2, 4)), np.empty(self.log_prevalence.size))

        divergence = sum(self.blocks.share(self.table.n_workers, set_some))
        counts = self.class_counts.sum(axis=0).reshape(self._split.shape)
        labels, labels_apart = dirichlet.dirichlet_logs(counts.sum(axis=1), self.prior.prevalence)
        split, split_apart = dirichlet.dirichlet_logs(counts, self._split)
        self.log_prevalence[:] = (labels[:, None] + split).ravel()
        self.penalty = -(divergence + labels_apart + split_apart)

    def foreseen(self) -> Floats:
        """Give each answer's probability by all the others, (n_answers,); see `cavity`."""
        table, chances = self.table, np.empty(self.table.n_answers)
        counts, totals = self.merged(), self._totals()

        def foresee(_: int, first: int, last: int) -> None:
            cavity.foresee(
                first,
                last,
                table.offsets,
                table.worker,
                self.cells,
                self.posterior,
                self.log_confusion,
                counts,
                self.prior_rows,
                totals,
                chances,
                *np.empty((2, totals.shape[1])),
            )

        self.blocks.map(foresee)
        return chances

    def prevalence(self) -> Floats:
        """Give the expected share of each label, (n_labels,)."""
        counts = self.class_counts.sum(axis=0).reshape(self._split.shape).sum(axis=1) + self.prior.prevalence
        share: Floats = counts / counts.sum()
        return share

    def confusion(self) -> Floats:
        """Give the expected confusion, (n_workers, true, answered), of subtypes together."""
        answered, of_prior = self._expected()
        prior = self.prior.confusion if self.prior.confusion.ndim == 3 else self.prior.confusion[None]
        confusion = empty(self.table.n_workers, self.table.n_labels, self.table.n_labels)
        np.multiply(prior, of_prior[:, :, None], out=confusion)
        self.rows.put(answered, confusion)
        return confusion

    def _expected(self) -> tuple[Floats, Floats]:
        """Give the expected confusion of answered rows, and by what that of others follows from their prior."""
        split = self.class_counts.sum(axis=0).reshape(self._split.shape) + self._split
        split /= split.sum(axis=1, keepdims=True)
        each = split / self._totals().reshape(-1, *split.shape)
        of_prior: Floats = each.sum(axis=2)
        counts, worker = self.merged().reshape(-1, *split.shape), self.rows.worker
        return (counts * each[worker]).sum(axis=2) + self.prior_rows * of_prior[worker], of_prior

    def _totals(self) -> Floats:
        """Sum counts and prior of each worker by state, (n_workers, n_states)."""
        totals = np.empty((self.table.n_workers, self.log_prevalence.size))
        totals[:] = np.repeat(self.columns, self.subtypes, axis=1)
        counts, begins = self.merged(), self.rows.first
        self.blocks.share(self.table.n_workers, lambda first, last: column_sums(first, last, begins, counts, totals))
        return totals


class Pooled(Bcc):
    """
    The same, with rows of confusion drawn around each worker's accuracy.

    Attributes
    ----------
    accuracy : (n_workers,) float64
        Where the rows of each worker are centred.
    strength : float
        How many answers that centre counts for, in each row.

    """

    method = "hierarchical"
    # Besides, every cell has this much, so that one odd answer cannot rule a label out.
    spread = 0.02
    # The strength's own prior, a gamma density with this shape (less one) and rate: its mode is five answers.
    shape, rate = 1.0, 0.2

    def __init__(self, table: LabelTable, clamp: Clamp, blocks: Blocks, prior: Prior, *, subtypes: int = 1) -> None:
        self._right, self._wrong = prior.accuracy_counts(table.n_workers)
        self._begin_pooling()
        super().__init__(table, clamp, blocks, prior, subtypes=subtypes)

    def forget(self) -> None:
        """Expect of each worker what their prior does, and pool as tightly as is usual."""
        self._begin_pooling()
        self._set_prior()

    def _begin_pooling(self) -> None:
        self.accuracy = self._right / (self._right + self._wrong)
        self.strength = self.shape / self.rate

    def maximise(self) -> None:
        """Pool first, then set the expected logarithms under the prior that pooling gave."""
        right, wrong = np.empty_like(self.accuracy), np.empty_like(self.accuracy)
        counted = self.rows.first, self.rows.label, self.merged(), self.table.n_labels
        given = *counted, self.accuracy, float(self.strength), self.spread, right, wrong

        def count_some(first: int, last: int) -> float:
            return dirichlet.pooling_counts(first, last, *given, np.empty(self.log_prevalence.size))

        weight = sum(self.blocks.share(self.table.n_workers, count_some))
        self.strength = (right.sum() + wrong.sum() + self.shape) / (weight + self.rate)
        self.accuracy = (right + self._right) / (right + wrong + self._right + self._wrong)
        self._set_prior()
        super().maximise()
        self.penalty += float(
            self._right @ np.log(self.accuracy)
            + self._wrong @ np.log1p(-self.accuracy)
            + self.shape * np.log(self.strength)
            - self.rate * self.strength
        )

    def settle(self) -> None:
        """Pool until that changes nothing more, so that a warm start begins with the pooling that its labels imply."""
        for _ in range(MOST_POOLINGS):
            before = self.beside()
            self.maximise()
            if np.abs(self.beside() / before - 1).max() < POOLED:
                return

    def beside(self) -> Floats:
        """Read the pooled parameters, which stand beside the counts: accuracies, then strength."""
        return np.append(self.accuracy, self.strength)

    def set_beside(self, beside: Floats) -> None:
        """Set the pooled parameters, brought back to where they may be."""
        self.accuracy = np.clip(beside[:-1], EDGE, 1 - EDGE)
        self.strength = max(float(beside[-1]), EDGE)
        self._set_prior()

    def climb_in_strides(self, max_iter: int, tol: float) -> Result:
        """Climb by extrapolation, see `strides`; its confusion is `matrices`."""
        return self.result(strides.climb(self, max_iter, tol), with_confusion=False)

    def matrices(self) -> Matrices:
        """Give expected confusion by answered rows."""
        answered, of_prior = self._expected()
        wrong, right = self._prior_pair()
        return Matrices(self.rows, answered, wrong[:, None] * of_prior, right[:, None] * of_prior)

    def confusion(self) -> Floats:
        """Give the expected confusion, (n_workers, true, answered), of subtypes together."""
        return self.matrices().of_all_rows()

    def _prior_pair(self) -> tuple[Floats, Floats]:
        """Give the Dirichlet parameters of each wrong answer and of the right one, (n_workers,) each."""
        wrong = self.strength * (1 - self.accuracy) / (self.table.n_labels - 1) + self.spread
        return wrong, self.strength * self.accuracy + self.spread

    def _set_prior(self) -> None:
        n_labels, rows = self.table.n_labels, self.rows
        wrong, right = self._prior_pair()
        self.prior_rows = empty(len(rows), n_labels)
        self.prior_rows[:] = wrong[rows.worker][:, None]
        self.prior_rows[np.arange(len(rows)), rows.label] = right[rows.worker]
        self.columns = np.repeat(right + (n_labels - 1) * wrong, n_labels).reshape(-1, n_labels)


def bcc(
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
    Combine by variational Bayes.

    ``prior`` holds Dirichlet parameters, all above 0 (`Prior.default`); ``start`` is an earlier result to begin from.
    Of ``restarts`` climbs, all but the first begun as ``seed`` has it, the highest is kept; see `restarts`.
    """
    prior = Prior.default(table.n_labels) if prior is None else prior
    prior.check(table.n_workers, table.n_labels)
    if not ((prior.confusion > 0).all() and (prior.prevalence > 0).all()):
        raise ValueError("bcc keeps distributions: every pseudo-count of its prior must be above 0")
    check_limits(max_iter, tol)
    again = Restarts(restarts, seed)
    limits = {"max_iter": max_iter, "tol": tol, "warm": start is not None}
    params = {"prior": prior.describe(), **limits, **again._asdict()}
    with Blocks(table, most_cells(table), threads=threads) as blocks:
        result = fit_from_votes(Bcc(table, clamp, blocks, prior), max_iter, tol, start, again)
    warn_unless_converged(result, params)
    return replace(result, params={**params, **result.params})


def hierarchical(
    table: LabelTable,
    clamp: Clamp,
    *,
    prior: Prior | None = None,
    start: Result | None = None,
    restarts: int = 1,
    seed: int = 0,
    max_iter: int = 2_000,
    tol: float = 1e-6,
    threads: int | None = None,
) -> Result:
    """
    Combine with workers pooled.

    ``prior`` says how often workers are right before any answer is seen, as pseudo-counts: by default
    `Prior.of_accuracy`, three right and one wrong. ``start`` is an earlier result to begin from. Of ``restarts``
    climbs, all but the first begun as ``seed`` has it, the highest is kept; see `restarts`.
    """
    prior = Prior.of_accuracy(table.n_labels) if prior is None else prior
    prior.check(table.n_workers, table.n_labels)
    check_limits(max_iter, tol)
    again = Restarts(restarts, seed)
    limits = {"max_iter": max_iter, "tol": tol, "warm": start is not None}
    params = {"prior": prior.describe(), **limits, **again._asdict()}
    with Blocks(table, most_cells(table), threads=threads) as blocks:
        result = fit_from_votes(Pooled(table, clamp, blocks, prior), max_iter, tol, start, again)
    warn_unless_converged(result, params)
    return replace(result, params={**params, **result.params})
