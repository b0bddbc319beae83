"""Average models by how well they predict answers that were held out, and overrule a majority only on good odds.

The pool is one model with more and more subtypes of labels: without subtypes it is a pooled Dawid-Skene model, with
them it can explain errors that workers share. Predictive likelihood chooses among them; it does not know truth,
and on some sets the likeliest model is the worst. So majority vote stays in the average as a witness of fixed
weight: a label that most workers gave is overruled where the models' odds against it are better than nine to two.

Chosen by looking at twelve public sets: the pool (1, 2 and 4 subtypes), the weight of a difference in prediction,
the restarts and the odds. Accuracy is flat around the odds: from three to seven its mean lies between 85.7 and 85.9.
They are there for the worst set, which lies 2.6 points below majority vote at even odds, and half a point from 4.25 on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from aggregation.climbing import warn_unless_converged
from aggregation.ebcc import average, climb_from_splits, evidence_weights, named_alike
from aggregation.fingerprint import fingerprints, mix, told_apart
from aggregation.prior import Prior
from aggregation.result import TIE, most_probable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aggregation.arrays import Bools, Floats
    from aggregation.gold import Clamp
    from aggregation.result import Result
    from aggregation.table import LabelTable

POOL = (1, 2, 4)
FOLDS = 5
# A model loses weight by e for each thousandth of a nat per answer that it predicts worse than the best.
PREDICTION = 1000.0
# Odds that the word of the majority is worth, as pseudo-counts of gold that it got right and wrong.
MAJORITY_RIGHT, MAJORITY_WRONG = 2.25, 0.5
# Confusion cells above which a model is left out of the pool: larger, it is slow and has more cells than evidence.
MOST_CELLS = 20_000_000


@dataclass(frozen=True)
class Pace:
    """How many starts a model gets and how far it climbs."""

    restarts: int
    max_iter: int
    tol: float


# Held-out folds only rank models, and a large table needs fewer starts: its starts differ less.
FULL, LARGE, FOLD = Pace(8, 500, 1e-3), Pace(2, 200, 1e-3), Pace(4, 60, 1e-3)
LARGE_TABLE = 200_000


def auto(
    table: LabelTable,
    clamp: Clamp,
    *,
    pool: Sequence[int] = POOL,
    weights: Sequence[float] | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> Result:
    """
    Average the models of the pool and let the majority be a witness.

    Parameters
    ----------
    pool : sequence of int
        Numbers of subtypes, one for each model; those too large for the table are left out.
    weights : sequence of float, optional
        Weights of the models where they are known already, such as from an earlier run on nearly the same answers.

    Returns
    -------
    Result
        Its ``params`` tell each model's held-out log likelihood per answer and weight, the odds that the majority
        was given and how many items it was overruled on. Bound and iterations are those of the heaviest model.

    """
    prior = Prior.of_accuracy(table.n_labels)
    pool = [m for m in pool if m == 1 or table.n_workers * table.n_labels**2 * m <= MOST_CELLS]
    scores = None
    if weights is None or len(weights) != len(pool):
        scores = held_out(table, clamp, prior, pool, seed=seed, threads=threads)
        shares_of = np.exp(PREDICTION * (scores - scores.max()))
    else:
        shares_of = np.asarray(weights, dtype=np.float64)
    shares_of = shares_of / shares_of.sum()
    pace = LARGE if table.n_answers > LARGE_TABLE else FULL
    used = [n for n in range(len(pool)) if shares_of[n] > 0.01]
    models = [_model(table, clamp, prior, pool[n], pace, seed=seed, threads=threads) for n in used]
    result = average(models, shares_of[used] / shares_of[used].sum(), "auto")
    odds = majority_odds(table, clamp)
    posterior, overruled = hear_majority(table, clamp, result.posterior, odds)
    params: dict[str, Any] = {
        "pool": [
            {
                "subtypes": subtypes,
                "weight": float(shares_of[n]),
                "held_out": None if scores is None else float(scores[n]),
            }
            for n, subtypes in enumerate(pool)
        ],
        "majority_odds": odds,
        "overruled": overruled,
        "seed": seed,
        "max_iter": pace.max_iter,
        "tol": pace.tol,
        "prior": prior.describe(),
    }
    labels = most_probable(posterior, result.prevalence)
    result = replace(result, posterior=posterior, labels=labels, params=params)
    warn_unless_converged(result, params)
    return result


def held_out(
    table: LabelTable, clamp: Clamp, prior: Prior, pool: Sequence[int], *, seed: int, threads: int | None
) -> Floats:
    """Give each model's mean log likelihood of answers that it was not fitted to, (n_models,)."""
    if len(pool) == 1 or table.n_answers < FOLDS:
        return np.zeros(len(pool))
    items, workers = fingerprints(table)
    fold = mix(told_apart(table, items, clamp)[table.item] ^ mix(workers[table.worker])) % np.uint64(FOLDS)
    total, n_held = np.zeros(len(pool)), 0
    for out in range(FOLDS if table.n_answers <= LARGE_TABLE else 1):
        held = fold == out
        train = table.keep(~held)
        answers = (table.item[held], table.worker[held], table.label[held])
        for n, subtypes in enumerate(pool):
            climbs = climb_from_splits(
                train,
                clamp,
                prior,
                subtypes=subtypes,
                restarts=FOLD.restarts,
                seed=seed + out,
                max_iter=FOLD.max_iter,
                tol=FOLD.tol,
                threads=threads,
            )
            weights = evidence_weights([result for _, result in climbs], train.n_answers)
            predicted = sum(weight * fit.predict(*answers) for weight, (fit, _) in zip(weights, climbs, strict=True))
            total[n] += np.log(predicted).sum()
        n_held += int(held.sum())
    scores: Floats = total / max(n_held, 1)
    return scores


def majority_odds(table: LabelTable, clamp: Clamp) -> float:
    """
    Say what the word of the majority is worth: nine to two, less where gold shows it wrong, and never below even.

    Where most workers share a bias, gold is all that can tell, and the majority is not heard.
    """
    gold = clamp.known & (table.answers_per_item > 0)
    best = _majority(table)[gold]
    hit = (best & clamp.accepted[clamp.row[gold]]).sum(axis=1) / np.maximum(best.sum(axis=1), 1)
    right, wrong = float(hit.sum()), float((1 - hit).sum())
    return float(np.clip((right + MAJORITY_RIGHT) / (wrong + MAJORITY_WRONG), 1.0, MAJORITY_RIGHT / MAJORITY_WRONG))


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
    seed: int,
    threads: int | None,
) -> Result:
    climbs = climb_from_splits(
        table,
        clamp,
        prior,
        subtypes=subtypes,
        restarts=pace.restarts,
        seed=seed,
        max_iter=pace.max_iter,
        tol=pace.tol,
        threads=threads,
    )
    results = [named_alike(fit, result) for fit, result in climbs]
    return average(results, evidence_weights(results, table.n_answers), "ebcc")
