"""Average models by how well they foresee answers together, and overrule a majority only on good odds.

The pool is one model with more and more subtypes of labels: without subtypes it is a pooled Dawid-Skene model, with
them it can explain errors that workers share. Their weights are those whose mixture foresees each answer best from
all the others; see `cavity`. That does not know truth, and on some sets the likeliest model is the worst. So
majority vote stays as a witness of fixed weight: a label that most workers gave is overruled where the models' odds
against it are better than six to one; with gold, better than those odds with which most gold comes out right.

Chosen by looking at twelve public sets: the pool (1 and 3 subtypes), the restarts, the odds, and how much gold it
takes to move them. Accuracy is flat around all of them: see docs/accuracy.md. The odds are there for the worst set,
which lies 2.8 points below majority vote at even odds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from aggregation.cavity import stack
from aggregation.climbing import warn_unless_converged
from aggregation.ebcc import Climbed, average, climb_from_splits, evidence_weights
from aggregation.prior import Prior
from aggregation.result import TIE, most_probable
from aggregation.wawa import wawa

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aggregation.arrays import Bools, Floats
    from aggregation.gold import Clamp, HeldOut
    from aggregation.result import Result
    from aggregation.table import LabelTable

POOL = (1, 3)
# Odds that the word of the majority is worth: without gold, and at most.
MAJORITY_ODDS, MOST_ODDS = 6.0, 36.0
# Gold items that have to come out right besides, for each factor of e that the odds are moved by.
RELUCTANCE = 0.6
# Confusion cells above which a model is left out of the pool: larger, it is slow and has more cells than evidence.
MOST_CELLS = 20_000_000


@dataclass(frozen=True)
class Pace:
    """How many starts a model gets and how far it climbs."""

    restarts: int
    max_iter: int
    tol: float


# A large table needs fewer starts, as its starts differ less; a huge one has no time for subtypes. It is large by its
# answers, or by the cells of confusion of the largest model, of which each costs a step as much as some answers do.
FULL, LARGE, HUGE = Pace(4, 300, 3e-3), Pace(2, 200, 3e-3), Pace(1, 100, 3e-3)
LARGE_TABLE, HUGE_TABLE = 200_000, 2_000_000
LARGE_MODEL, HUGE_MODEL = 100_000, 3_000_000


def auto(
    table: LabelTable,
    clamp: Clamp,
    *,
    pool: Sequence[int] = POOL,
    prior: Prior | None = None,
    start: Result | None = None,
    restarts: int | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> Result:
    """
    Average the models of the pool and let the majority be a witness.

    Parameters
    ----------
    pool : sequence of int
        Numbers of subtypes, one for each model; those too large for the table are left out. Where all are, labels
        are Wawa's.
    prior : Prior, optional
        Right and wrong answers expected of each worker; by default `Prior.of_accuracy`.
    start : Result, optional
        An earlier result to begin from, instead of majority vote.
    restarts : int, optional
        Random starts of each model that has subtypes; by default as many as the size of the table asks for.

    Returns
    -------
    Result
        Its ``params`` tell each model's weight, how well it foresaw answers (mean log probability of an answer by
        the others), the odds that the majority was given and how many items it was overruled on. Bound and
        iterations are those of the heaviest model.

    Raises
    ------
    ValueError
        The pool holds no model, a model without subtypes, or the prior does not fit.

    """
    if not pool or min(pool) < 1 or (restarts is not None and restarts < 1):
        raise ValueError("the pool needs a model, subtypes must be at least 1, and restarts too")
    cells = table.n_workers * table.n_labels**2
    pace = _pace(table.n_answers, max(pool) * cells)
    fitting = [m for m in pool if m * cells <= MOST_CELLS and (m == min(pool) or pace is not HUGE)]
    if restarts is not None:
        pace = replace(pace, restarts=restarts)
    if not fitting:
        result = wawa(table, clamp, prior=prior)
        why = f"{cells:,} cells of confusion are more than the {MOST_CELLS:,} that models of the pool may have"
        return replace(result, method="auto", params={"pool": [], "labels_of": "wawa", "because": why})
    prior = Prior.of_accuracy(table.n_labels) if prior is None else prior
    prior.check(table.n_workers, table.n_labels)
    models = [_model(table, clamp, prior, m, pace, start=start, seed=seed, threads=threads) for m in fitting]
    foreseen = np.stack([chances for _, chances in models])
    weights = stack(foreseen)
    result = average([result for result, _ in models], weights, "auto")
    posterior, overruled = hear_majority(table, clamp, result.posterior, MAJORITY_ODDS)
    scores = np.log(foreseen).mean(axis=1) if foreseen.size else np.zeros(len(models))
    params: dict[str, Any] = {
        "pool": [
            {"subtypes": m, "weight": float(weight), "foresees": float(score)}
            for m, weight, score in zip(fitting, weights, scores, strict=True)
        ],
        "majority_odds": MAJORITY_ODDS,
        "overruled": overruled,
        "restarts": pace.restarts,
        "seed": seed,
        "max_iter": pace.max_iter,
        "tol": pace.tol,
        "prior": prior.describe(),
        "warm": start is not None,
    }
    labels = most_probable(posterior, result.prevalence)
    result = replace(result, posterior=posterior, labels=labels, params=params)
    warn_unless_converged(result, params)
    return result


def _pace(n_answers: int, cells: int) -> Pace:
    """Choose how much climbing a table and the largest model of the pool have time for."""
    if n_answers > HUGE_TABLE or cells > HUGE_MODEL:
        return HUGE
    return LARGE if n_answers > LARGE_TABLE or cells > LARGE_MODEL else FULL


def learn_odds(
    table: LabelTable, clamp: Clamp, result: Result, held_out: Sequence[HeldOut]
) -> tuple[Result, list[HeldOut]]:
    """
    Hear the majority as gold has it: with the odds by which most gold that was not told comes out right.

    Where most workers share a bias, gold alone can tell; where they know better than the models, it tells that.
    Gives the result, and those that were inferred without half of the gold, with these odds.
    """
    if "majority_odds" not in result.params:
        return result, list(held_out)
    candidates = MAJORITY_ODDS * np.geomspace(1, MOST_ODDS / MAJORITY_ODDS, 13)
    candidates = np.unique([*candidates, *(MAJORITY_ODDS**2 / candidates)])

    def worth(odds: float) -> float:
        hits = sum(float(one.hits(_rehear(table, one.known, one.result, odds).labels).sum()) for one in held_out)
        return hits - RELUCTANCE * abs(float(np.log(odds / MAJORITY_ODDS)))

    odds = max(candidates.tolist(), key=worth)
    heard = [replace(one, result=_rehear(table, one.known, one.result, odds)) for one in held_out]
    return _rehear(table, clamp, result, odds), heard


def _rehear(table: LabelTable, clamp: Clamp, result: Result, odds: float) -> Result:
    """Give the majority other odds than a result of `auto` gave it."""
    change = odds / result.params["majority_odds"]
    posterior, overruled = hear_majority(table, clamp, result.posterior, change)
    params = {**result.params, "majority_odds": odds, "overruled": overruled}
    return replace(result, posterior=posterior, labels=most_probable(posterior, result.prevalence), params=params)


def hear_majority(table: LabelTable, clamp: Clamp, posterior: Floats, odds: float) -> tuple[Floats, int]:
    """Multiply the odds of the labels that most workers gave; count the items whose label is still another."""
    best = _majority(table)
    heard: Floats = posterior * np.where(best, odds, 1.0)
    heard /= heard.sum(axis=1, keepdims=True)
    top = heard >= heard.max(axis=1, keepdims=True) - TIE if heard.size else best
    free = ~clamp.known & (table.answers_per_item > 0)
    return heard, int((~(top & best).any(axis=1) & free).sum())


def _majority(table: LabelTable) -> Bools:
    votes = table.votes()
    best: Bools = (votes == votes.max(axis=1, keepdims=True)) & (votes > 0) if votes.size else votes > 0
    return best


def _model(
    table: LabelTable,
    clamp: Clamp,
    prior: Prior,
    subtypes: int,
    pace: Pace,
    *,
    start: Result | None,
    seed: int,
    threads: int | None,
) -> tuple[Result, Floats]:
    """Average the climbs of a model; give also each answer's probability by the others, (n_answers,)."""
    climbs = climb_from_splits(
        table,
        clamp,
        prior,
        subtypes=subtypes,
        restarts=pace.restarts,
        start=start,
        seed=seed,
        max_iter=pace.max_iter,
        tol=pace.tol,
        foresee=True,
        threads=threads,
    )
    results = [climbed.result for climbed in climbs]
    weights = evidence_weights(results, table.n_answers)
    return average(results, weights, "ebcc"), _mixed(climbs, weights)


def _mixed(climbs: Sequence[Climbed], weights: Floats) -> Floats:
    mixed: Floats = np.sum(
        [
            weight * climbed.foreseen
            for weight, climbed in zip(weights, climbs, strict=True)
            if climbed.foreseen is not None
        ],
        axis=0,
    )
    return mixed
