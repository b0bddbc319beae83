"""Judge a job's workers by the policy of `gold`: from stored facts to what is to be stored of each."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from aggregation import ConvergenceWarning, LabelTable, Result
from aggregation.dawid_skene import dawid_skene
from aggregation.gold import Clamp
from gold.evidence import Answers, soft_counts
from gold.rescore import Consensus, Infer, Scoring, rescore
from gold.score import GoldScore, score
from gold.sequential import Rules
from gold.standing import STATES, SUSPENDED, WATCHED
from gold.worth import RestPolicy, resting
from service.case import Bools, Case
from service.evidence import evidence
from service.spec import Trust, TrustRules

# Of the consensus that agreement is measured by: finer makes no difference to who is suspended.
_TOLERANCE, _MOST_STEPS = 1e-2, 25

Integers = npt.NDArray[np.int64]


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
    resting : (n_workers,) bool
        Whose answers tell so little beside the others' that they may rest. Never whoever is watched: the job is still
        learning of them.
    """

    scoring: Scoring
    gold: GoldScore
    state: tuple[str, ...]
    reason: tuple[str, ...]
    void_from: Integers
    evidence: tuple[dict[str, Any], ...]
    resting: Bools


def rules_of(trust: TrustRules) -> Rules:
    """Return the rules that a job's spec sets."""
    return msgspec.convert(trust, Rules, from_attributes=True)


def consensus_of(n_workers: int) -> Infer:
    """Return how the consensus is inferred that agreement is measured by, for one scoring.

    A model of independent errors, whatever the job's own method, so that a worker's own answer can be divided out of
    it. The first run of a scoring is cold, over all answers; those after it, over fewer, start where it ended: so what
    is believed of workers is a function of the facts, and nothing of an earlier scoring goes in.
    """
    first: list[Result] = []

    def infer(answers: Answers, accepted: Bools) -> Consensus:
        n_items, n_labels = accepted.shape
        table = LabelTable.from_arrays(
            answers.item, answers.worker, answers.label, n_labels, n_items=n_items, n_workers=n_workers
        )
        clamp = Clamp.from_gold(accepted, n_items, n_labels)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            result = dawid_skene(
                table, clamp, start=first[0] if first else None, tol=_TOLERANCE, max_iter=_MOST_STEPS, accelerate=False
            )
        first.append(result)
        if result.confusion is None:
            raise AssertionError("Dawid and Skene's model has confusion matrices")
        return Consensus(result.posterior, result.confusion)

    return infer


def judge(case: Case, trust: Trust, said: Integers) -> Judged:
    """Judge all workers of a job.

    Parameters
    ----------
    said : (n_workers,) int
        State that a person said each is in, an index in `gold.STATES`; -1 for none.
    """
    accepted, n_workers = case.accepted, case.n_workers
    if not trust.suspend:
        said = np.where(said < 0, WATCHED, said)  # nobody's answers lose their weight but by a person's word
    scoring = rescore(
        case.answers,
        accepted,
        n_workers,
        rules_of(trust),
        consensus_of(n_workers),
        earlier=case.past.log_odds,
        said=said,
    )
    standing, ordered = scoring.standing, scoring.answers
    table = LabelTable.from_arrays(
        ordered.item, ordered.worker, ordered.label, accepted.shape[1], n_items=accepted.shape[0], n_workers=n_workers
    )
    counted = score(table, accepted)
    agreed, met = soft_counts(ordered.rows(~standing.is_gold), scoring.implied[~standing.is_gold], n_workers)
    state = [STATES[number] for number in standing.state.tolist()]
    reason = [scoring.reason(worker) for worker in range(n_workers)]
    if not trust.suspend:
        for worker in np.flatnonzero(standing.state == SUSPENDED).tolist():
            state[worker], reason[worker] = "watched", f"Watched, as the policy may not suspend. {reason[worker]}"
    n_answers = np.bincount(ordered.worker[~scoring.outside], minlength=n_workers)
    rests = resting(scoring.consensus.confusion, n_answers, standing.suspended, RestPolicy(share=trust.rest))
    void = np.full(n_workers, -1)
    first = np.flatnonzero(standing.discarded)[::-1]
    void[ordered.worker[first]] = ordered.assignment[first]
    return Judged(
        scoring=scoring,
        gold=counted,
        state=tuple(state),
        reason=tuple(reason),
        void_from=np.where(standing.suspended & trust.suspend, void, -1),
        evidence=evidence(case, scoring, counted, (agreed, met), state, reason),
        resting=rests & (standing.state != WATCHED),
    )
