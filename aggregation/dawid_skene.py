"""The model of Dawid and Skene, fitted by expectation maximisation.

An item has one true label, drawn by prevalence; a worker answers it with the row of their confusion matrix
that belongs to the true label, independently of the other workers. With Dirichlet priors the estimate is the
maximum a posteriori one; with pseudo-counts of zero, the one of maximum likelihood.

A. P. Dawid and A. M. Skene (1979), Maximum likelihood estimation of observer error-rates using the EM
algorithm, Applied Statistics 28(1), 20-28.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from aggregation import kernels
from aggregation.blocks import Blocks
from aggregation.majority import shares
from aggregation.prior import Prior
from aggregation.result import ConvergenceWarning, Result, most_probable

if TYPE_CHECKING:
    from aggregation.gold import Clamp
    from aggregation.table import LabelTable

# Two climbs whose bounds differ by less have ended at one summit.
WORTH = 1e-6


class DawidSkene:
    """The state of a fit: parameters, posterior and counts, and the two steps that go from one to another."""

    def __init__(self, table: LabelTable, clamp: Clamp, prior: Prior, blocks: Blocks) -> None:
        n_labels, n_workers = table.n_labels, table.n_workers
        self.table, self.clamp, self.prior, self.blocks = table, clamp, prior, blocks
        confusion = prior.confusion[None] if prior.confusion.ndim == 2 else prior.confusion
        self._prior_counts = np.ascontiguousarray(confusion.transpose(0, 2, 1), dtype=np.float64)
        self._counts = np.empty((len(blocks), n_workers, n_labels, n_labels))
        self._class_counts = np.empty((len(blocks), n_labels))
        self.log_confusion = np.empty((n_workers, n_labels, n_labels))  # worker, answered, true
        self.log_prevalence = np.empty(n_labels)
        self.log_prior = 0.0
        self.posterior = np.zeros((table.n_items, n_labels))

    def start_from_votes(self, *, gold_only: bool = False) -> None:
        """Set the parameters that majority vote implies, or gold alone."""
        self.posterior, _ = shares(self.table, self.clamp)
        self.blocks.map(partial(self._tally, gold_only=gold_only))
        self.maximise()

    def start_from(self, earlier: Result) -> None:
        """Set the parameters of an earlier result; workers who came since then begin where the prior is."""
        if earlier.confusion is None or earlier.prevalence.size != self.table.n_labels:
            raise ValueError("start must be a result with confusion matrices over the same label values")
        self._counts[:] = 0.0
        self._class_counts[:] = 0.0
        self.maximise()
        known = min(earlier.confusion.shape[0], self.table.n_workers)
        matrices = np.maximum(earlier.confusion[:known], kernels.FLOOR).transpose(0, 2, 1)
        self.log_confusion[:known] = np.log(matrices)
        self.log_prevalence[:] = np.log(np.maximum(earlier.prevalence, kernels.FLOOR))

    def _tally(self, block: int, first: int, last: int, *, gold_only: bool) -> None:
        table = self.table
        kernels.tally(
            first,
            last,
            table.offsets,
            table.worker,
            table.label,
            self.clamp.row,
            self.posterior,
            self._counts[block],
            self._class_counts[block],
            gold_only,
        )

    def _expect(self, block: int, first: int, last: int) -> tuple[float, float]:
        table = self.table
        return kernels.expect(
            first,
            last,
            table.offsets,
            table.worker,
            table.label,
            self.clamp.row,
            self.clamp.accepted,
            self.log_prevalence,
            self.log_confusion,
            self.posterior,
            self._counts[block],
            self._class_counts[block],
        )

    def expect(self) -> tuple[float, float]:
        """Infer the posterior and count with it; give the log posterior of the parameters, and the change."""
        pairs = self.blocks.map(self._expect)
        return sum(pair[0] for pair in pairs) + self.log_prior, max(pair[1] for pair in pairs)

    def maximise(self) -> None:
        """Set the parameters that the counts and the prior imply."""
        self.log_prior = kernels.maximise(self._counts, self._prior_counts, self.log_confusion)
        weight = np.maximum(self._class_counts.sum(axis=0) + self.prior.prevalence, kernels.FLOOR)
        self.log_prevalence[:] = np.log(weight / weight.sum())
        self.log_prior += float(self.prior.prevalence @ self.log_prevalence)

    def climb(self, max_iter: int, tol: float) -> Result:
        """Repeat both steps until no probability changes by more than ``tol``, and end on an expectation."""
        objective: list[float] = []
        converged = False
        self.expect()
        while not converged and len(objective) < max_iter:
            self.maximise()
            bound, change = self.expect()
            objective.append(bound)
            converged = change <= tol
        prevalence = np.exp(self.log_prevalence)
        return Result(
            posterior=self.posterior,
            labels=most_probable(self.posterior, prevalence),
            confusion=np.exp(self.log_confusion).transpose(0, 2, 1).copy(),
            prevalence=prevalence,
            objective=np.array(objective),
            n_iter=len(objective),
            converged=converged,
            method="dawid_skene",
            params={},
        )


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

    Where there is gold, the fit is also begun from what gold alone says of the workers, and the one that ends
    with the higher bound is kept: with a bias that most workers share, majority vote lies beyond a valley that
    no climb crosses.

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
    if max_iter < 1:
        raise ValueError(f"max_iter must be at least 1, not {max_iter}")
    with Blocks(table, table.n_workers * table.n_labels**2, threads=threads) as blocks:
        fit = DawidSkene(table, clamp, prior, blocks)
        if start is None:
            fit.start_from_votes()
        else:
            fit.start_from(start)
        result = fit.climb(max_iter, tol)
        if clamp.known.any():
            fit.start_from_votes(gold_only=True)
            other = fit.climb(max_iter, tol)
            if other.objective[-1] > result.objective[-1] + WORTH:
                result = other
    if not result.converged:
        message = f"dawid_skene did not converge in {max_iter} iterations: raise max_iter, or tol above {tol}"
        warnings.warn(message, ConvergenceWarning, stacklevel=3)
    told = {"prior": prior.describe(), "max_iter": max_iter, "tol": tol, "warm": start is not None}
    return replace(result, params=told)
