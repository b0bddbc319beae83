"""The model of Dawid and Skene, fitted by expectation maximisation.

An item has one true label, drawn by prevalence; a worker answers it with the row of their confusion matrix
that belongs to the true label, independently of the other workers. With Dirichlet priors the estimate is the
maximum a posteriori one; with pseudo-counts of zero, the one of maximum likelihood.

A. P. Dawid and A. M. Skene (1979), Maximum likelihood estimation of observer error-rates using the EM
algorithm, Applied Statistics 28(1), 20-28.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from aggregation import kernels, squarem
from aggregation.blocks import Blocks
from aggregation.climbing import better_with_gold, check_limits, fit_from_votes, warn_unless_converged
from aggregation.latent import Latent
from aggregation.prior import Prior

if TYPE_CHECKING:
    from aggregation.arrays import Floats
    from aggregation.gold import Clamp
    from aggregation.result import Result
    from aggregation.table import LabelTable

# Answers from which a fit is accelerated unless it is said otherwise.
LARGE = 1_000_000


class DawidSkene(Latent):
    """A confusion matrix for each worker, with Dirichlet priors."""

    method = "dawid_skene"

    def __init__(self, table: LabelTable, clamp: Clamp, blocks: Blocks, prior: Prior, *, accelerate: bool) -> None:
        super().__init__(table, clamp, blocks)
        self.prior, self.accelerate = prior, accelerate
        confusion = prior.confusion[None] if prior.confusion.ndim == 2 else prior.confusion
        self._prior_counts = np.ascontiguousarray(confusion.transpose(0, 2, 1), dtype=np.float64)

    def maximise(self) -> None:
        """Set the modes that the counts and the prior imply."""
        self.penalty = kernels.maximise(self.counts, self._prior_counts, self.log_confusion)
        weight = np.maximum(self.class_counts.sum(axis=0) + self.prior.prevalence, kernels.FLOOR)
        self.log_prevalence[:] = np.log(weight / weight.sum())
        self.penalty += float(self.prior.prevalence @ self.log_prevalence)

    def climb(self, max_iter: int, tol: float) -> Result:
        """Climb, by extrapolation where that is asked for and the parameters are fewer than the answers."""
        if not self.accelerate or self.log_confusion.size > self.table.n_answers:
            return super().climb(max_iter, tol)
        objective, converged = squarem.climb(self, max_iter, tol)
        return self.result(objective, converged=converged)

    def parameters(self) -> Floats:
        """Read confusion and prevalence as one vector of probabilities."""
        both: Floats = np.exp(np.concatenate([self.log_confusion.ravel(), self.log_prevalence]))
        return both

    def set_parameters(self, parameters: Floats) -> None:
        """Set confusion and prevalence from a vector, brought back to where each row is a distribution."""
        kept = np.maximum(parameters, kernels.FLOOR)
        cells = kept[: self.log_confusion.size].reshape(self.log_confusion.shape)
        np.log(cells / cells.sum(axis=1, keepdims=True), out=self.log_confusion)
        shares = kept[self.log_confusion.size :]
        np.log(shares / shares.sum(), out=self.log_prevalence)
        self.penalty = float((self._prior_counts * self.log_confusion).sum())
        self.penalty += float(self.prior.prevalence @ self.log_prevalence)

    def resume(self, earlier: Result) -> None:
        """Set the parameters of an earlier result; workers who came since then begin where the prior is."""
        if earlier.confusion is None or earlier.prevalence.size != self.table.n_labels:
            raise ValueError("start must be a result with confusion matrices over the same label values")
        self.counts[:] = 0.0
        self.class_counts[:] = 0.0
        self.maximise()
        known = min(earlier.confusion.shape[0], self.table.n_workers)
        matrices = np.maximum(earlier.confusion[:known], kernels.FLOOR).transpose(0, 2, 1)
        self.log_confusion[:known] = np.log(matrices)
        self.log_prevalence[:] = np.log(np.maximum(earlier.prevalence, kernels.FLOOR))


def dawid_skene(
    table: LabelTable,
    clamp: Clamp,
    *,
    prior: Prior | None = None,
    start: Result | None = None,
    max_iter: int = 10_000,
    tol: float = 1e-10,
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
    max_iter : int
    tol : float
        Stop when no probability of any item changes by more in one iteration.
    accelerate : bool, optional
        Extrapolate from pairs of steps; see `squarem`. By default only from a million answers on: it takes a third
        of the steps or fewer, but where the way is flat, answers numbered otherwise may end a billionth apart.
    threads : int, optional

    """
    prior = Prior.default(table.n_labels) if prior is None else prior
    prior.check(table.n_workers, table.n_labels)
    check_limits(max_iter, tol)
    if accelerate is None:
        accelerate = table.n_answers >= LARGE
    limits = {"max_iter": max_iter, "tol": tol, "accelerate": accelerate}
    params = {"prior": prior.describe(), **limits, "warm": start is not None}
    with Blocks(table, table.n_workers * table.n_labels**2, threads=threads) as blocks:
        fit = DawidSkene(table, clamp, blocks, prior, accelerate=accelerate)
        if start is None:
            result = fit_from_votes(fit, max_iter, tol)
        else:
            fit.resume(start)
            result = better_with_gold(fit, fit.climb(max_iter, tol), max_iter, tol)
    warn_unless_converged(result, params)
    return replace(result, params=params)


def maximum_likelihood(table: LabelTable, clamp: Clamp, **options: Any) -> Result:
    """Fit the model without a prior; options are those of `dawid_skene`."""
    result = dawid_skene(table, clamp, prior=Prior.none(table.n_labels), **options)
    return replace(result, method="maximum_likelihood")
