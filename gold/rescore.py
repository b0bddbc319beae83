"""Score everyone anew from the facts in force, and say what that changes.

Suspended workers' answers leave the consensus, and the consensus is evidence about workers, so the two are settled in
turn, from the start each time: nobody suspended, consensus, judgement, consensus without what they gave, judgement.
Who shares answers is looked for once, before, in all answers: what members of a ring gave is no evidence of others.
Nothing of an earlier scoring goes in. Hence correcting a gold item equals never having had the error, suspensions that
no longer hold are lifted, and what was missed by the error is forgiven.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from gold.evidence import Answers, others
from gold.rings import Ring, Tie, find, ties
from gold.standing import STATES, SUSPENDED, Standing, judge

if TYPE_CHECKING:
    from aggregation.arrays import Bools, Floats, Ints
    from gold.ask import AskPolicy
    from gold.sequential import Rules

MOST_ROUNDS = 5


@dataclass(frozen=True, eq=False)
class Consensus:
    """
    What a run of the consensus gives.

    Attributes
    ----------
    posterior : (n_items, n_labels) float64
    confusion : (n_workers, n_labels, n_labels) float64

    """

    posterior: Floats
    confusion: Floats


Infer = Callable[[Answers, "Bools"], Consensus]
"""Runs the consensus on answers, with the accepted labels of gold, (n_items, n_labels), known."""


class Change(Struct, frozen=True):
    """One worker whose standing another scoring changed."""

    worker: int
    before: str
    after: str
    reason: str


@dataclass(frozen=True, eq=False)
class Scoring:
    """
    A standing, and what it was judged from.

    Attributes
    ----------
    standing : Standing
        What the policy says of every worker, whatever a person said.
    answers : Answers
        In order: the rows that the standing counts by.
    outside : (n_answers,) bool
        Answers that the consensus does without: those that the policy discards, but as people said of their workers.
    implied : (n_answers, n_labels) float64
        What the other workers' answers imply of each answer's item.
    consensus : Consensus
        Of the last round, without the answers of the ring's members.
    ring : Ring
        Who was found to share answers.
    ties : dict of int to Tie
        What each member of the ring shares, and with whom.

    """

    standing: Standing
    answers: Answers
    outside: Bools
    implied: Floats
    consensus: Consensus
    ring: Ring
    ties: dict[int, Tie]

    def reason(self, worker: int) -> str:
        """Say why a worker stands where they stand, and with whom they share answers, if they do."""
        tie = self.ties.get(worker)
        return f"{self.standing.reason(worker)}{f' {tie.reason}' if tie else ''}"


def rescore(
    answers: Answers,
    accepted: Bools,
    n_workers: int,
    rules: Rules,
    infer: Infer,
    *,
    policy: AskPolicy | None = None,
    earlier: Floats | None = None,
    said: Ints | None = None,
) -> Scoring:
    """
    Judge every worker from the facts alone.

    Parameters
    ----------
    answers : Answers
        In any order, repeats among them.
    accepted : (n_items, n_labels) bool
        Accepted labels of the gold versions in force.
    infer : callable
        A function of its arguments alone, that does not mind in which order answers stand.
    earlier : (n_workers,) float, optional
        See `standing.judge`.
    said : (n_workers,) int, optional
        The state, an index in `STATES`, that a person said a worker is in; -1 where nobody did. All answers of one whom
        a person suspended leave the consensus, and none of one whom a person keeps.

    """
    ordered = answers.in_order()
    word = (np.full(n_workers, -1) if said is None else said)[ordered.worker]
    out = word == SUSPENDED
    ring = find(ordered, accepted, n_workers, rules)
    in_ring, foretold = ring.members[ordered.worker], ring.foretold(ordered)
    for _ in range(MOST_ROUNDS):
        before, inside = out, ~(out | in_ring)
        consensus = infer(ordered.rows(inside), accepted)
        implied = implied_by_others(ordered, inside, consensus)
        standing = judge(
            ordered, accepted, implied, n_workers, rules, policy=policy, earlier=earlier, foretold=foretold
        )
        out = np.where(word >= 0, word == SUSPENDED, standing.discarded)
        if (out == before).all():
            break
    shared = ties(ring, ordered, implied, rules.good_accuracy)
    return Scoring(standing, ordered, out, implied, consensus, ring, shared)


def implied_by_others(answers: Answers, inside: Bools, consensus: Consensus) -> Floats:
    """
    Say what the other workers' answers imply of each answer's item, (n_answers, n_labels).

    Parameters
    ----------
    inside : (n_answers,) bool
        Which answers the consensus was inferred from.

    """
    own = np.where(inside[:, None], consensus.confusion[answers.worker, :, answers.label], 1.0)
    n_inside = np.bincount(answers.item[inside], minlength=consensus.posterior.shape[0])
    return others(consensus.posterior[answers.item], own, n_inside[answers.item] - inside)


def changes(before: Standing, after: Standing) -> list[Change]:
    """List the workers whose state differs, and why they stand where they stand now."""
    return [
        Change(worker, STATES[before.state[worker]], STATES[after.state[worker]], after.reason(worker))
        for worker in np.flatnonzero(before.state != after.state).tolist()
    ]
