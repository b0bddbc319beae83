"""Average models by how well they foresee answers together, and overrule a majority only on good odds.

The pool is one model with more and more subtypes of labels: without subtypes it is a pooled Dawid-Skene model, with
them it can explain errors that workers share. Their weights are those whose mixture foresees each answer best from
all the others; see `cavity`. That does not know truth, and on some sets the likeliest model is the worst. So
majority vote stays as a witness: a label that most workers gave is overruled where the models' odds against it are
better than from two to one, where there are many answers to learn a worker's confusion from, to nine to one, where
there are few; with gold, better than those odds with which most gold comes out right. See `majority_odds`. Where
the average loses a label value that most workers gave to several items, models that keep it are looked for, and only
such are averaged; see `vanished`.

Chosen by looking at twelve public sets: the pool (1 and 3 subtypes), the restarts, the odds, and how much gold it
takes to move them. Accuracy is flat around all of them: see docs/accuracy.md. The odds are there for the worst set,
which lies 2.8 points below majority vote at even odds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from aggregation.cavity import stack
from aggregation.climbing import warn_unless_converged
from aggregation.ebcc import MOST_CELLS, Climbed, average, averaged, climb_from_splits, evidence_weights
from aggregation.majority import majority
from aggregation.majority_odds import hear_majority, odds_of_majority
from aggregation.prior import Prior
from aggregation.result import most_probable
from aggregation.vanished import unbound, vanished
from aggregation.wawa import wawa

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aggregation.arrays import Floats
    from aggregation.gold import Clamp
    from aggregation.result import Result
    from aggregation.table import LabelTable

POOL = (1, 3)
# A model of less weight has no say in whether the average lost a label.
HEAVY = 0.1


@dataclass(frozen=True)
class Pace:
    """How many starts a model gets and how far it climbs."""

    restarts: int
    max_iter: int
    tol: float


class Member(NamedTuple):
    """A model of the pool, and each answer's probability by all the others, (n_answers,)."""

    described: dict[str, Any]
    result: Result
    foreseen: Floats

    def told(self, more: Mapping[str, Any]) -> Member:
        """Describe it further."""
        return self._replace(described={**self.described, **more})


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
        the others), the odds that the majority was given and how many items it was overruled on; and, where the
        average lost label values, which, and from where the models climbed that keep them. Bound and iterations are
        those of the heaviest model.

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
    climbs = partial(_model, table, clamp, prior, pace=pace, seed=seed, threads=threads)
    members = [climbs(m, start=start) for m in fitting]
    told = {
        "restarts": pace.restarts,
        "seed": seed,
        "max_iter": pace.max_iter,
        "tol": pace.tol,
        "prior": prior.describe(),
        "warm": start is not None,
    }
    result = _mixed(table, clamp, members, told)
    gone = np.unique(np.concatenate([vanished(table, clamp, one.labels) for one in (result, *_heavy(result, members))]))
    if gone.size:
        begin = unbound(table, clamp, max_iter=pace.max_iter, tol=pace.tol, threads=threads)
        members += [climbs(m, start=begin).told({"from": "maximum_likelihood"}) for m in fitting]
        told["vanished"] = gone.tolist()
        result = _keeping(table, clamp, members, result, told)
    warn_unless_converged(result, result.params)
    return result


def _heavy(result: Result, members: Sequence[Member]) -> list[Result]:
    """Give those models whose word counts in an average."""
    weights = [told["weight"] for told in result.params["pool"]]
    return [member.result for member, weight in zip(members, weights, strict=True) if weight > HEAVY]


def _keeping(
    table: LabelTable, clamp: Clamp, members: Sequence[Member], before: Result, told: dict[str, Any]
) -> Result:
    """Average those models that keep every label value; where none does, keep the average if it does, or the votes."""
    kept = [member for member in members if not vanished(table, clamp, member.result.labels).size]
    for result in (_mixed(table, clamp, kept, told) if kept else before, before):
        if not vanished(table, clamp, result.labels).size:
            return replace(result, params={**result.params, **told})
    why = "every model leaves hardly an item to a label value that most workers gave to several"
    params = {**told, "pool": [], "labels_of": "majority", "because": why}
    return replace(majority(table, clamp), method="auto", params=params)


def _mixed(table: LabelTable, clamp: Clamp, members: Sequence[Member], told: Mapping[str, Any]) -> Result:
    """Average models by how well they foresee together, and hear the majority."""
    foreseen = np.stack([member.foreseen for member in members])
    weights = stack(foreseen)
    result = average([member.result for member in members], weights, "auto")
    odds = odds_of_majority(table)
    posterior, overruled = hear_majority(table, clamp, result.posterior, odds)
    scores = np.log(foreseen).mean(axis=1) if foreseen.size else np.zeros(len(members))
    params: dict[str, Any] = {
        "pool": [
            {**member.described, "weight": float(weight), "foresees": float(score)}
            for member, weight, score in zip(members, weights, scores, strict=True)
        ],
        "majority_odds": odds,
        "overruled": overruled,
        "ended": result.params["ended"],
        **told,
    }
    return replace(result, posterior=posterior, labels=most_probable(posterior, result.prevalence), params=params)


def _pace(n_answers: int, cells: int) -> Pace:
    """Choose how much climbing a table and the largest model of the pool have time for."""
    if n_answers > HUGE_TABLE or cells > HUGE_MODEL:
        return HUGE
    return LARGE if n_answers > LARGE_TABLE or cells > LARGE_MODEL else FULL


def _model(
    table: LabelTable,
    clamp: Clamp,
    prior: Prior,
    subtypes: int,
    *,
    pace: Pace,
    start: Result | None,
    seed: int,
    threads: int | None,
) -> Member:
    """Average the climbs of a model."""
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
    return Member({"subtypes": subtypes}, averaged(climbs, weights, "ebcc"), _foreseen(climbs, weights))


def _foreseen(climbs: Sequence[Climbed], weights: Floats) -> Floats:
    mixed: Floats = np.sum(
        [
            weight * climbed.foreseen
            for weight, climbed in zip(weights, climbs, strict=True)
            if climbed.foreseen is not None
        ],
        axis=0,
    )
    return mixed
