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
from aggregation.prior import Prior
from aggregation.restarts import Restarts

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
        confusion = prior.confusion[None] if prior.confusion.ndim == 2 else prior.confusion
        self.prior_counts: Floats = np.ascontiguousarray(confusion.transpose(0, 2, 1), dtype=np.float64)
        self._split = np.full((table.n_labels, subtypes), SUBTYPE)

    def maximise(self) -> None:
        """Set the expected logarithms that the counts and the prior imply."""
        terms = np.empty((*self.prior_counts.shape[1:], 3))
        bases = np.empty(self.log_prevalence.size)
        divergence = dirichlet.expected_logs(self.counts, self.prior_counts, self.log_confusion, terms, bases)
        counts = self.class_counts.sum(axis=0).reshape(self._split.shape)
        labels, labels_apart = dirichlet.dirichlet_logs(counts.sum(axis=1), self.prior.prevalence)
        split, split_apart = dirichlet.dirichlet_logs(counts, self._split)
        self.log_prevalence[:] = (labels[:, None] + split).ravel()
        self.penalty = -(divergence + labels_apart + split_apart)

    def foreseen(self) -> Floats:
        """Give each answer's probability by all the others, (n_answers,); see `cavity`."""
        table, chances = self.table, np.empty(self.table.n_answers)
        counts = self.counts.sum(axis=0) if len(self.blocks) > 1 else self.counts[0]
        totals = counts.sum(axis=1) + np.repeat(self.prior_counts.sum(axis=1), self.subtypes, axis=1)

        def foresee(_: int, first: int, last: int) -> None:
            cavity.foresee(
                first,
                last,
                table.offsets,
                table.worker,
                table.label,
                self.posterior,
                self.log_confusion,
                counts,
                self.prior_counts,
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
        shape = (self.table.n_workers, self.table.n_labels, self.table.n_labels, self.subtypes)
        cells = self.counts.sum(axis=0).reshape(shape) + self.prior_counts[..., None]
        cells /= cells.sum(axis=1, keepdims=True)
        split = self.class_counts.sum(axis=0).reshape(self._split.shape) + self._split
        mixed = np.einsum("wlkm,km->wkl", cells, split / split.sum(axis=1, keepdims=True))
        return np.ascontiguousarray(mixed)


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
        super().__init__(table, clamp, blocks, prior, subtypes=subtypes)
        self._right, self._wrong = prior.accuracy_counts(table.n_workers)
        self.forget()

    def forget(self) -> None:
        """Expect of each worker what their prior does, and pool as tightly as is usual."""
        self.accuracy = self._right / (self._right + self._wrong)
        self.strength = self.shape / self.rate
        self._set_prior()

    def maximise(self) -> None:
        """Pool first, then set the expected logarithms under the prior that pooling gave."""
        counts = self.counts.sum(axis=0) if len(self.blocks) > 1 else self.counts[0]
        right, wrong = np.empty_like(self.accuracy), np.empty_like(self.accuracy)
        totals = np.empty(self.log_prevalence.size)
        weight = dirichlet.pooling_counts(counts, self.accuracy, self.strength, self.spread, right, wrong, totals)
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
        """Climb by extrapolation; see `strides`."""
        return self.result(strides.climb(self, max_iter, tol))

    def _set_prior(self) -> None:
        n_labels = self.table.n_labels
        wrong = self.strength * (1 - self.accuracy) / (n_labels - 1) + self.spread
        self.prior_counts = np.repeat(wrong, n_labels**2).reshape(-1, n_labels, n_labels)
        own = np.arange(n_labels)
        self.prior_counts[:, own, own] = (self.strength * self.accuracy + self.spread)[:, None]


def bcc(
    table: LabelTable,
    clamp: Clamp,
    *,
    prior: Prior | None = None,
    start: Result | None = None,
    restarts: int = 1,
    seed: int = 0,
    max_iter: int = 10_000,
    tol: float = 1e-10,
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
    with Blocks(table, table.n_workers * table.n_labels**2, threads=threads) as blocks:
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
    with Blocks(table, table.n_workers * table.n_labels**2, threads=threads) as blocks:
        result = fit_from_votes(Pooled(table, clamp, blocks, prior), max_iter, tol, start, again)
    warn_unless_converged(result, params)
    return replace(result, params={**params, **result.params})
