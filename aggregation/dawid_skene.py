"""The model of Dawid and Skene, fitted by expectation maximisation.

An item has one true label, drawn by prevalence; a worker answers it with the row of their confusion matrix
that belongs to the true label, independently of the other workers. With Dirichlet priors the estimate is the
maximum a posteriori one; with pseudo-counts of zero, the one of maximum likelihood.

A. P. Dawid and A. M. Skene (1979), Maximum likelihood estimation of observer error-rates using the EM
algorithm, Applied Statistics 28(1), 20-28.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from aggregation import kernels
from aggregation.blocks import Blocks
from aggregation.climbing import better_with_gold, check_limits, fit_from_votes, warn_unless_converged
from aggregation.latent import Latent
from aggregation.prior import Prior

if TYPE_CHECKING:
    from aggregation.gold import Clamp
    from aggregation.result import Result
    from aggregation.table import LabelTable


class DawidSkene(Latent):
    """A confusion matrix for each worker, with Dirichlet priors."""

    method = "dawid_skene"

    def __init__(self, table: LabelTable, clamp: Clamp, blocks: Blocks, prior: Prior) -> None:
        super().__init__(table, clamp, blocks)
        self.prior = prior
        confusion = prior.confusion[None] if prior.confusion.ndim == 2 else prior.confusion
        self._prior_counts = np.ascontiguousarray(confusion.transpose(0, 2, 1), dtype=np.float64)

    def maximise(self) -> None:
        """Set the modes that the counts and the prior imply."""
        self.penalty = kernels.maximise(self.counts, self._prior_counts, self.log_confusion)
        weight = np.maximum(self.class_counts.sum(axis=0) + self.prior.prevalence, kernels.FLOOR)
        self.log_prevalence[:] = np.log(weight / weight.sum())
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
    threads : int, optional

    """
    prior = Prior.default(table.n_labels) if prior is None else prior
    prior.check(table.n_workers, table.n_labels)
    check_limits(max_iter, tol)
    params = {"prior": prior.describe(), "max_iter": max_iter, "tol": tol, "warm": start is not None}
    with Blocks(table, table.n_workers * table.n_labels**2, threads=threads) as blocks:
        fit = DawidSkene(table, clamp, blocks, prior)
        if start is None:
            result = fit_from_votes(fit, max_iter, tol)
        else:
            fit.resume(start)
            result = better_with_gold(fit, fit.climb(max_iter, tol), max_iter, tol)
    warn_unless_converged(result, params)
    return replace(result, params=params)
