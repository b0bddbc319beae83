"""The model of Dawid and Skene, fitted by expectation maximisation.

An item has one true label, drawn by prevalence; a worker answers it with the row of their confusion matrix
that belongs to the true label, independently of the other workers. With Dirichlet priors the estimate is the
maximum a posteriori one; with pseudo-counts of zero, the one of maximum likelihood.

A. P. Dawid and A. M. Skene (1979), Maximum likelihood estimation of observer error-rates using the EM
algorithm, Applied Statistics 28(1), 20-28.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from aggregation import confusion as confusion_kernels
from aggregation import kernels, long_rows, maximisation, squarem
from aggregation.blocks import LEAST_ANSWERS, Blocks
from aggregation.climbing import check_limits, fit_from_votes, highest, restarted, warn_unless_converged
from aggregation.earlier import posterior_from
from aggregation.fit import Fit
from aggregation.lanes import MOST_LANES, width
from aggregation.memory import empty, zeros
from aggregation.prior import Prior
from aggregation.restarts import Restarts
from aggregation.rows import Rows
from aggregation.sparse_confusion import SparseDawidSkene, is_sparse

if TYPE_CHECKING:
    from aggregation.arrays import Floats
    from aggregation.gold import Clamp
    from aggregation.result import Result
    from aggregation.table import LabelTable

# Answers of a block, at least, where a row of labels is in a register: an answer takes some nanoseconds.
LEAST_IN_LANES = 100_000


class DawidSkene(Fit):
    """
    A confusion matrix for each worker, with Dirichlet priors.

    Attributes
    ----------
    parameters : (n_workers * n_labels * room + n_labels,) float64
        All probabilities in one vector, of which the next two are views.
    weights : (n_workers, n_labels, room) float64
        Confusion by worker, answered and true label; what a row has room for beyond its labels means nothing.
    shares : (n_labels,) float64
        Prevalence.

    """

    method = "dawid_skene"

    def __init__(self, table: LabelTable, clamp: Clamp, blocks: Blocks, prior: Prior, *, accelerate: bool) -> None:
        super().__init__(table, clamp, blocks, room=width(table.n_labels))
        self.prior, self.accelerate = prior, accelerate
        confusion = prior.confusion[None] if prior.confusion.ndim == 2 else prior.confusion
        self._prior_counts = np.ascontiguousarray(confusion.transpose(0, 2, 1), dtype=np.float64)
        cells = self.counts[0].size
        self.parameters = zeros(cells + table.n_labels)
        self.weights: Floats = self.parameters[:cells].reshape(self.counts.shape[1:])
        self.shares = self.parameters[cells:]
        rows, room = table.n_workers * table.n_labels, width(table.n_labels)
        self._weights, self._counts = self.weights.reshape(rows, room), self.counts.reshape(len(blocks), rows, room)
        self._accepted = clamp.accepted.astype(np.float64)
        self._even = self._accepted / np.maximum(self._accepted.sum(axis=1, keepdims=True), 1)
        self._keep = self._compared = True
        kernels_of = confusion_kernels if table.n_labels <= MOST_LANES else long_rows
        self._kernel = kernels_of.expect_for(table.n_labels)

    def begin_with_votes(self, *, gold_only: bool = False) -> None:
        """Begin with what majority vote says: for few labels in one pass, which writes no posterior down."""
        if gold_only or self.table.n_labels > MOST_LANES:
            super().begin_with_votes(gold_only=gold_only)
            return
        self.blocks.map(self._vote)
        self.maximise()

    def maximise(self) -> None:
        """Set the modes that the counts and the prior imply."""
        penalty = self._set_weights(self.counts)
        self._set_shares(self.class_counts.sum(axis=0) + self.prior.prevalence + kernels.FLOOR, penalty)

    def extrapolate(self, start: Floats, middle: Floats, end: Floats, longest: float) -> float:
        """Go on along two steps, and give the share of rows that went as far as they may; see `squarem`."""
        n_labels, cells = self.table.n_labels, self.weights.size
        begin, first_to, second_to = (all_[:cells].reshape(self.weights.shape) for all_ in (start, middle, end))

        def go_on(first: int, last: int) -> tuple[int, float]:
            work = np.empty((2, n_labels, n_labels))
            given = begin, first_to, second_to, longest, self.weights
            far = maximisation.extrapolate(first, last, *given, work[0], work[1])
            return far, self._normalise_some(self.counts[:0], first, last)

        gone = self.blocks.share(self.table.n_workers, go_on)
        from_, root, to = (np.sqrt(all_[cells:]) for all_ in (start, middle, end))
        step, bend = root - from_, to - 2 * root + from_
        stride = min(max(np.sqrt((step**2).sum() / max((bend**2).sum(), 1e-300)), 1.0), longest)
        self.shares[:] = np.maximum(root + (2 * stride - 1) * step + stride**2 * bend, 0.0) ** 2
        self._set_shares(np.maximum(self.shares, kernels.FLOOR), sum(density for _, density in gone))
        return sum(far for far, _ in gone) / max(self.table.n_workers * n_labels, 1)

    def _normalise(self) -> None:
        """Bring parameters that were set from outside back to where each row is a distribution."""
        self._set_shares(np.maximum(self.shares, kernels.FLOOR), self._set_weights(self.counts[:0]))

    def _set_weights(self, counts: Floats) -> float:
        """Set the weights by blocks' counts, or where there are none make them distributions; give the log density."""
        return sum(self.blocks.share(self.table.n_workers, partial(self._normalise_some, counts)))

    def _normalise_some(self, counts: Floats, first: int, last: int) -> float:
        n_labels = self.table.n_labels
        work = np.empty(n_labels), np.empty((n_labels, n_labels))
        normalise = maximisation.normalise_for(n_labels)
        density: float = normalise(first, last, counts, self._prior_counts, self.weights, *work)
        return density

    def _set_shares(self, weight: Floats, log_density: float) -> None:
        self.shares[:] = weight / weight.sum()
        self.penalty = log_density + float((self.prior.prevalence + kernels.FLOOR) @ np.log(self.shares))

    def climb(self, max_iter: int, tol: float) -> Result:
        """Climb, by extrapolation where that is asked for and the parameters are fewer than the answers."""
        if not self.accelerate or self.table.n_workers * self.table.n_labels**2 > self.table.n_answers:
            return super().climb(max_iter, tol)
        return self.result(squarem.climb(self, max_iter, tol))

    def confusion(self) -> Floats:
        """Give the confusion matrices, (n_workers, true, answered)."""
        n_labels = self.table.n_labels
        confusion = empty(self.table.n_workers, n_labels, n_labels)
        confusion[:] = self.weights[:, :, :n_labels].transpose(0, 2, 1)
        return confusion

    def prevalence(self) -> Floats:
        """Give the share of each label, (n_labels,)."""
        return self.shares.copy()

    def resume(self, earlier: Result) -> None:
        """
        Set the parameters of an earlier result; workers who came since then begin where the prior is.

        A result without confusion says what it can: its posterior.
        """
        if earlier.confusion is None or earlier.prevalence.size != self.table.n_labels:
            self.begin(posterior_from(earlier, self.table, self.clamp))
            return
        self.begin_with_nothing()
        known = min(earlier.confusion.shape[0], self.table.n_workers)
        self.weights[:known, :, : self.table.n_labels] = earlier.confusion[:known].transpose(0, 2, 1)
        self.shares[:] = earlier.prevalence
        self._normalise()

    def _vote(self, block: int, first: int, last: int) -> None:
        table = self.table
        confusion_kernels.vote_for(table.n_labels)(
            first,
            last,
            table.offsets,
            self.cells,
            table.label,
            self.clamp.row,
            self._accepted,
            self._even,
            self._counts[block],
            self.class_counts[block],
        )

    def expect(self, *, keep: bool = True) -> tuple[float, float]:
        """Infer, and count with what is inferred; where the posterior is not kept, what changed is not known.

        Of two steps of which one is not kept the change is infinite.
        """
        self._compared, self._keep = self._keep and keep, keep
        return super().expect()

    def _expect(self, block: int, first: int, last: int) -> tuple[float, float]:
        table = self.table
        log_likelihood, change = self._kernel(
            first,
            last,
            table.offsets,
            self.cells,
            self.clamp.row,
            self._even,
            self.shares,
            self._weights,
            self.posterior,
            self._counts[block],
            self.class_counts[block],
            self._keep,
        )
        return log_likelihood, change if self._compared else math.inf


def dawid_skene(
    table: LabelTable,
    clamp: Clamp,
    *,
    prior: Prior | None = None,
    start: Result | None = None,
    restarts: int = 1,
    seed: int = 0,
    max_iter: int = 10_000,
    tol: float = 1e-8,
    accelerate: bool | None = None,
    threads: int | None = None,
) -> Result:
    """
    Fit the model and infer each item's label.

    Parameters
    ----------
    prior : Prior, optional
        By default `Prior.default`; ``Prior.none(n_labels)`` asks for maximum likelihood.
    start : Result, optional
        Begin at an earlier result's parameters instead of at majority vote.
    restarts : int
        Climbs, of which the highest is kept: all but the first begin at votes weighed at random; see `restarts`.
    seed : int
        Other seeds begin elsewhere.
    max_iter : int
    tol : float
        Stop when no probability of any item changes by more in one iteration, or when the bound is level; see `ascent`.
        With 0, only ``max_iter`` ends the climb.
    accelerate : bool, optional
        Extrapolate from pairs of steps; see `squarem`. By default only from a million answers on: it takes a third
        of the steps or fewer, but where the way is flat, answers numbered otherwise may end a billionth apart.
    threads : int, optional

    """
    prior = Prior.default(table.n_labels) if prior is None else prior
    again = Restarts(restarts, seed)
    return _fit("dawid_skene", table, clamp, prior, start, again, max_iter, tol, accelerate, threads)


def maximum_likelihood(
    table: LabelTable,
    clamp: Clamp,
    *,
    start: Result | None = None,
    restarts: int = 1,
    seed: int = 0,
    max_iter: int = 10_000,
    tol: float = 1e-8,
    accelerate: bool | None = None,
    threads: int | None = None,
) -> Result:
    """Fit the model without a prior; options are those of `dawid_skene`, which takes one."""
    prior, again = Prior.none(table.n_labels), Restarts(restarts, seed)
    return _fit("maximum_likelihood", table, clamp, prior, start, again, max_iter, tol, accelerate, threads)


def _fit(
    method: str,
    table: LabelTable,
    clamp: Clamp,
    prior: Prior,
    start: Result | None,
    again: Restarts,
    max_iter: int,
    tol: float,
    accelerate: bool | None,
    threads: int | None,
) -> Result:
    prior.check(table.n_workers, table.n_labels)
    check_limits(max_iter, tol)
    if accelerate is None:
        accelerate = table.n_answers >= squarem.LARGE
    limits = {"max_iter": max_iter, "tol": tol, "accelerate": accelerate}
    params = {"prior": prior.describe(), **limits, "warm": start is not None, **again._asdict()}
    least = LEAST_IN_LANES if table.n_labels <= MOST_LANES else LEAST_ANSWERS
    rows = Rows(table) if is_sparse(table, MOST_LANES) else None
    cells = table.n_labels * (table.n_workers * table.n_labels if rows is None else len(rows))
    with Blocks(table, cells, least=least, threads=threads) as blocks:
        fit: DawidSkene | SparseDawidSkene
        if rows is None:
            fit = DawidSkene(table, clamp, blocks, prior, accelerate=accelerate)
        else:
            fit = SparseDawidSkene(table, clamp, blocks, prior, rows)
        fit.method = method
        if start is None:
            result = fit_from_votes(fit, max_iter, tol, None, again)
        else:
            fit.resume(start)
            result = highest(fit, fit.climb(max_iter, tol), max_iter, tol)
            result = restarted(fit, result, max_iter, tol, again)
    warn_unless_converged(result, params)
    return replace(result, params={**params, **result.params})
