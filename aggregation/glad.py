"""GLAD: workers differ in ability, items in difficulty.

A worker of ability a answers an item of ease b = exp(e) rightly with the chance 1 / (1 + exp(-a b)); wrong answers fall
evenly on the other labels, and every label is as likely beforehand. Fitted by expectation maximisation, whose
maximisation climbs by damped Newton steps in each ability and each ease, under normal priors, and goes no step that
lowers its aim.

J. Whitehill, P. Ruvolo, T. Wu, J. Bergsma, J. Movellan (2009), Whose vote should count more: optimal integration of
labels from labelers of unknown expertise, NIPS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from aggregation import glad_steps
from aggregation.ascent import LIMIT, TOLERANCE
from aggregation.blocks import Blocks
from aggregation.climbing import best, check_limits, is_exchange, renaming, warn_unless_converged
from aggregation.earlier import posterior_from
from aggregation.majority import shares
from aggregation.restarts import Restarts
from aggregation.result import Result, most_probable
from aggregation.watching import tell

if TYPE_CHECKING:
    from aggregation.arrays import Floats, Ints
    from aggregation.gold import Clamp
    from aggregation.prior import Prior
    from aggregation.table import LabelTable

# Means of the normal priors, as in the paper's own program; their variance is 1. Ease is held on its logarithm.
ABILITY, LOG_EASE = 1.0, 0.0
INNER_STEPS = 5
# At a warm start, abilities and eases come to what its labels imply before the climb begins.
SETTLING_STEPS = 200
LOG_EASE_LIMIT = 5.0
# Shorter Newton steps are not tried.
LEAST_STEP = 1e-4


class Glad:
    """The state of a fit: ability (n_workers,), log_ease (n_items,), posterior (n_items, n_labels)."""

    def __init__(self, table: LabelTable, clamp: Clamp, posterior: Floats, prior: Prior | None, blocks: Blocks) -> None:
        """Begin with what a distribution over labels implies."""
        self.table, self.clamp, self.posterior, self.blocks = table, clamp, posterior.copy(), blocks
        none = np.zeros(table.n_workers)
        self._right, self._wrong = (none, none) if prior is None else prior.accuracy_counts(table.n_workers)
        counts = np.maximum(clamp.accepted.sum(axis=1, keepdims=True), 1)
        self._start = np.where(clamp.accepted, -np.log(counts), -np.inf)
        self.ability = np.full(table.n_workers, ABILITY)
        self.log_ease = np.full(table.n_items, LOG_EASE)
        self.log_prevalence = np.full(table.n_labels, -np.log(table.n_labels))

    def expect(self) -> tuple[float, float]:
        """Infer the posterior; give the log posterior of the parameters, and the largest change."""
        table = self.table

        def expect(_: int, first: int, last: int) -> tuple[float, float]:
            return glad_steps.expect(
                first,
                last,
                table.offsets,
                table.worker,
                table.label,
                self.clamp.row,
                self._start,
                self.log_prevalence,
                self.ability,
                self.log_ease,
                self.posterior,
                np.empty(table.n_labels),
            )

        log_likelihoods, changes = zip(*self.blocks.map(expect), strict=True)
        return sum(log_likelihoods) + self.log_prior(self.ability, self.log_ease), max(changes)

    def log_prior(self, ability: Floats, log_ease: Floats) -> float:
        """Give the log density of the parameters, up to a constant."""
        squares = ((ability - ABILITY) ** 2).sum() + ((log_ease - LOG_EASE) ** 2).sum()
        seen = self._right @ np.logaddexp(0, -ability) + self._wrong @ np.logaddexp(0, ability)
        return float(-squares / 2 - seen)

    def maximise(self, steps: int = INNER_STEPS) -> None:
        """Raise the expected log posterior by Newton steps in abilities and eases."""
        aim, ability_step, ease_step = self._look(self.ability, self.log_ease)
        for _ in range(steps):
            size = 1.0
            while size > LEAST_STEP:
                ability = self.ability + size * ability_step
                log_ease = np.clip(self.log_ease + size * ease_step, -LOG_EASE_LIMIT, LOG_EASE_LIMIT)
                reached, *further = self._look(ability, log_ease)
                if reached >= aim:
                    break
                size /= 2
            else:
                return
            self.ability, self.log_ease, gained, aim = ability, log_ease, reached - aim, reached
            ability_step, ease_step = further
            if gained < 1e-10 * (1 + abs(aim)):
                return

    def _look(self, ability: Floats, log_ease: Floats) -> tuple[float, Floats, Floats]:
        """Give the aim at some parameters, and a Newton step in each as though the others stood still."""
        table, blocks = self.table, self.blocks
        by_worker, by_item = np.empty((2, len(blocks), table.n_workers)), np.empty((2, table.n_items))

        def look(block: int, first: int, last: int) -> float:
            answers = table.offsets, table.worker, table.label, self.posterior
            sums = by_worker[0, block], by_worker[1, block], *by_item
            return glad_steps.slopes(first, last, *answers, ability, log_ease, *sums)

        aim = sum(blocks.map(look)) + self.log_prior(ability, log_ease)
        slope, bend = by_worker.sum(axis=1)
        seen, before = self._right + self._wrong, 1 / (1 + np.exp(-np.clip(ability, -500, 500)))
        slope += ABILITY - ability + self._right - seen * before
        bend += 1 + seen * before * (1 - before)
        return aim, slope / bend, (by_item[0] + LOG_EASE - log_ease) / (by_item[1] + 1)


class Climb(NamedTuple):
    """Where a climb ended, its bound after each step, and whether its labels are named otherwise than answers do."""

    fit: Glad
    objective: list[float]
    converged: bool
    order: Ints


def _climb(fit: Glad, max_iter: int, tol: float) -> Climb:
    """Climb until no probability changes by more than ``tol``."""
    objective: list[float] = []
    converged = False
    while not converged and len(objective) < max_iter:
        fit.maximise()
        bound, change = fit.expect()
        tell(bound, change)
        objective.append(bound)
        converged = change <= tol
    return Climb(fit, objective, converged, renaming(fit.table.votes().T @ fit.posterior))


def _highest(first: Climb, prior: Prior | None, max_iter: int, tol: float) -> Climb:
    """Climb from elsewhere too, and keep the best; as `climbing.highest` does."""
    table, clamp, blocks, found = first.fit.table, first.fit.clamp, first.fit.blocks, [first]
    if is_exchange(first.order):
        renamed = clamp.apply(first.fit.posterior[:, first.order])
        found.append(_climb(Glad(table, clamp, renamed, prior, blocks), max_iter, tol))
    if not clamp.known.any():
        return found[-1]
    fit = Glad(table, clamp, shares(table, clamp)[0], prior, blocks)
    told = Glad(table.keep(clamp.known[table.item]), clamp, fit.posterior, prior, blocks)
    told.maximise(SETTLING_STEPS)
    fit.ability, fit.log_ease = told.ability, told.log_ease
    fit.expect()
    found.append(_climb(fit, max_iter, tol))
    return _best(found)


def _best(found: list[Climb]) -> Climb:
    bounds, exchanged = zip(*((one.objective[-1], is_exchange(one.order)) for one in found), strict=True)
    return found[best(bounds, exchanged, found[0].fit.table, found[0].fit.clamp)]


def glad(
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
    Fit the model.

    Parameters
    ----------
    prior : Prior, optional
        Right and wrong answers of each worker, as though given to items of middling ease.
    start : Result, optional
        An earlier result to begin from.
    restarts, seed : int
        Of so many climbs, all but the first begun as the seed has it, the highest is kept; see `restarts`.
    threads : int, optional

    """
    check_limits(max_iter, tol)
    if prior is not None:
        prior.check(table.n_workers, table.n_labels)
    begin = shares(table, clamp)[0] if start is None else posterior_from(start, table, clamp)
    again = Restarts(restarts, seed)
    with Blocks(table, table.n_workers, threads=threads) as blocks:
        fit = Glad(table, clamp, begin, prior, blocks)
        if start is not None:
            fit.maximise(SETTLING_STEPS)
        kept = _highest(_climb(fit, max_iter, tol), prior, max_iter, tol)
        for other in again.begins(table, clamp):
            kept = _best([kept, _climb(Glad(table, clamp, other, prior, blocks), max_iter, tol)])
    fit, objective, converged, _ = kept
    prevalence = np.exp(fit.log_prevalence)
    told = {} if prior is None else {"prior": prior.describe()}
    params = {**told, "max_iter": max_iter, "tol": tol, "warm": start is not None, **again._asdict()}
    params["ended"] = TOLERANCE if converged else LIMIT
    result = Result(
        posterior=fit.posterior,
        labels=most_probable(fit.posterior, prevalence),
        confusion=None,
        prevalence=prevalence,
        objective=np.array(objective),
        n_iter=len(objective),
        converged=converged,
        method="glad",
        params=params,
    )
    warn_unless_converged(result, params)
    return result
