"""Judge a job's workers by the policy of `gold`: from stored facts to what is to be stored of each."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from aggregation import ConvergenceWarning, LabelTable
from aggregation.dawid_skene import dawid_skene
from aggregation.gold import Clamp
from gold.earlier import carry, discount, prior
from gold.evidence import Answers, soft_counts
from gold.rescore import Consensus, Infer, Scoring, rescore
from gold.score import GoldScore, score
from gold.sequential import HEAD, Rules
from gold.standing import STATES, SUSPENDED, WATCHED
from gold.trust import Trust as Believed
from service.spec import Trust
from service.store.earlier import EarlierJob

# Of the consensus that agreement is measured by: finer makes no difference to who is suspended.
_TOLERANCE, _MOST_STEPS = 1e-3, 60
_LEAST_WEIGHT = 0.5  # of what is known of a worker on a label, before it is said
_INTERVAL = 0.9

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Earlier:
    """What a team's earlier jobs left of a job's workers.

    Attributes
    ----------
    log_odds : (n_workers,) float64
        Bad over good, discounted and held within bounds.
    alpha, beta : (n_workers,) float64
        A Beta prior of their accuracy.
    """

    log_odds: Floats
    alpha: Floats
    beta: Floats

    @classmethod
    def of(cls, jobs: Sequence[EarlierJob], n_workers: int) -> Earlier:
        """Sum up what each worker's earlier jobs say, discounted by age and kind."""
        past = cls(np.zeros(n_workers), np.ones(n_workers), np.ones(n_workers))
        weight = discount([job.days for job in jobs], [job.alike for job in jobs]).tolist()
        for worker, rows in groupby(range(len(jobs)), key=lambda row: jobs[row].worker_no):
            chosen = list(rows)
            weights = [weight[row] for row in chosen]
            past.log_odds[worker] = carry([jobs[row].log_ratio for row in chosen], weights)
            past.alpha[worker], past.beta[worker] = prior(
                [jobs[row].gold_right for row in chosen], [jobs[row].gold_total for row in chosen], weights
            )
        return past


@dataclass(frozen=True, eq=False)
class Judged:
    """What the facts make of each of a job's workers.

    Attributes
    ----------
    scoring : Scoring
    gold : GoldScore
    state : tuple of str
        What the policy has each worker be, its settings obeyed; what a person said is not looked at.
    reason : tuple of str
    void_from : (n_workers,) int64
        Of suspended workers, the row of the facts from which on their answers have no weight; -1 for the others.
    evidence : tuple of dict
        The numbers behind it, in types that JSON can carry.
    """

    scoring: Scoring
    gold: GoldScore
    state: tuple[str, ...]
    reason: tuple[str, ...]
    void_from: Integers
    evidence: tuple[dict[str, Any], ...]


def rules_of(trust: Trust) -> Rules:
    """Return the rules that a job's spec sets."""
    return Rules(
        good_accuracy=trust.good_accuracy,
        wrongly_suspended=trust.wrongly_suspended,
        on_gold=trust.on_gold,
        missed=trust.missed,
        gold_horizon=trust.gold_horizon,
        horizon=trust.horizon,
        corroboration=trust.corroboration,
    )


def answers_of(item: Any, worker: Any, label: Any, submitted: Any) -> Answers:
    """Return facts that stand in the order in which they supersede as `gold` takes them: their rows break ties."""
    return Answers(
        item=item.astype(np.int64),
        worker=worker.astype(np.int64),
        label=label.astype(np.int64),
        submitted=submitted,
        assignment=np.arange(item.size),
    )


def consensus_of(n_workers: int) -> Infer:
    """Return how the consensus is inferred that agreement is measured by.

    Cold, and a model of independent errors, whatever the job's own method: what is believed of workers is then a
    function of the facts, and a worker's own answer can be divided out of it.
    """

    def infer(answers: Answers, accepted: Bools) -> Consensus:
        n_items, n_labels = accepted.shape
        table = LabelTable.from_arrays(
            answers.item, answers.worker, answers.label, n_labels, n_items=n_items, n_workers=n_workers
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            result = dawid_skene(
                table, Clamp.from_gold(accepted, n_items, n_labels), tol=_TOLERANCE, max_iter=_MOST_STEPS
            )
        if result.confusion is None:
            raise AssertionError("Dawid and Skene's model has confusion matrices")
        return Consensus(result.posterior, result.confusion)

    return infer


def judge(
    answers: Answers,
    accepted: Bools,
    n_workers: int,
    trust: Trust,
    labels: tuple[str, ...],
    said: Integers,
    past: Earlier,
) -> Judged:
    """Judge all workers of a job.

    Parameters
    ----------
    answers : Answers
        All that were given and not rejected, as `answers_of` makes them.
    accepted : (n_items, n_labels) bool
        Accepted labels of the gold in force.
    labels : tuple of str
        The job's label values, to name them in the evidence.
    said : (n_workers,) int
        State that a person said each is in, an index in `gold.STATES`; -1 for none.
    """
    if not trust.suspend:
        said = np.where(said < 0, WATCHED, said)  # nobody's answers lose their weight but by a person's word
    scoring = rescore(
        answers, accepted, n_workers, rules_of(trust), consensus_of(n_workers), earlier=past.log_odds, said=said
    )
    standing, ordered = scoring.standing, scoring.answers
    table = LabelTable.from_arrays(
        ordered.item, ordered.worker, ordered.label, accepted.shape[1], n_items=accepted.shape[0], n_workers=n_workers
    )
    counted = score(table, accepted)
    agreed, met = soft_counts(ordered.rows(~standing.is_gold), scoring.implied[~standing.is_gold], n_workers)
    state = [STATES[number] for number in standing.state.tolist()]
    reason = [standing.reason(worker) for worker in range(n_workers)]
    if not trust.suspend:
        for worker in np.flatnonzero(standing.state == SUSPENDED).tolist():
            state[worker], reason[worker] = "watched", f"Watched, as the policy may not suspend. {reason[worker]}"
    void = np.full(n_workers, -1)
    first = np.flatnonzero(standing.discarded)[::-1]
    void[ordered.worker[first]] = ordered.assignment[first]
    return Judged(
        scoring=scoring,
        gold=counted,
        state=tuple(state),
        reason=tuple(reason),
        void_from=np.where(standing.suspended & trust.suspend, void, -1),
        evidence=_evidence(scoring, counted, (agreed, met), past, labels, state, reason),
    )


def _evidence(
    scoring: Scoring,
    counted: GoldScore,
    agreement: tuple[Floats, Floats],
    past: Earlier,
    labels: tuple[str, ...],
    state: list[str],
    reason: list[str],
) -> tuple[dict[str, Any], ...]:
    """Put the numbers behind each standing into JSON's types, rounded to what they tell."""
    standing, (agreed, met) = scoring.standing, agreement
    right, total = agreed + counted.right_by_label, met + counted.total_by_label
    overall = Believed(
        past.alpha + agreed.sum(axis=1) + counted.right,
        past.beta + (met - agreed).sum(axis=1) + (counted.total - counted.right),
    )
    by_label = Believed(1 + right, 1 + total - right)
    columns = {
        "chance_bad": _rounded(standing.chance_bad),
        "log_ratio": _rounded(standing.both.now - np.log(HEAD)),
        "gold_log_ratio": _rounded(standing.gold.now - np.log(HEAD)),
        "accuracy": _distributions(overall),
        "agreed": _rounded(agreed.sum(axis=1)),
        "met": _rounded(met.sum(axis=1)),
        "earlier": _rounded(past.log_odds),
        "void": np.bincount(scoring.answers.worker[scoring.outside], minlength=standing.state.size).tolist(),
    }
    base_rate = round(standing.base_rate, 3)
    per_label: list[list[dict[str, Any]]] = [[] for _ in state]
    workers, values = np.nonzero(total >= _LEAST_WEIGHT)
    told = _distributions(Believed(by_label.alpha[workers, values], by_label.beta[workers, values]))
    weights = _rounded(total[workers, values])
    for worker, value, one, weight in zip(workers.tolist(), values.tolist(), told, weights, strict=True):
        per_label[worker].append({"label": labels[value], **one, "weight": weight})
    return tuple(
        {
            "policy": {"state": state[worker], "reason": reason[worker]},
            "chance_bad": columns["chance_bad"][worker],
            "base_rate": base_rate,
            "log_ratio": columns["log_ratio"][worker],
            "gold_log_ratio": columns["gold_log_ratio"][worker],
            "gold": {"right": right_gold, "total": total_gold},
            "agreement": {"agreed": columns["agreed"][worker], "of": columns["met"][worker]},
            "accuracy": columns["accuracy"][worker],
            "labels": per_label[worker],
            "earlier_log_odds": columns["earlier"][worker],
            "without_weight": columns["void"][worker],
        }
        for worker, (right_gold, total_gold) in enumerate(
            zip(counted.right.tolist(), counted.total.tolist(), strict=True)
        )
    )


def _distributions(believed: Believed) -> list[dict[str, float]]:
    low, high = believed.interval(_INTERVAL)
    rows = zip(_rounded(believed.mean), _rounded(low), _rounded(high), strict=True)
    return [{"mean": mean, "low": least, "high": most} for mean, least, most in rows]


def _rounded(values: Floats) -> list[float]:
    found: list[float] = np.round(values, 4).tolist()
    return found
