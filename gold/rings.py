"""Rings: workers who share their answers, and vouch for each other thereby.

Agreement is evidence of good work as long as workers err apart. Members of a ring agree whatever is true, and where
they are many, the consensus is theirs. So beside the true label of each item there may be an answer that a ring agreed
on, and who goes by which is inferred from all answers at once, see `sharing`: a ring shows before any two of its
members have met often. Agreement on what is true is no sign, as it is explained; what tells is agreement where the
others disagree, and a member is expected to click at random wherever no accomplice answered. Who copies from good
workers is therefore no member: their answers are good.

There are two places to begin: the consensus, and gold alone, since where a ring has made the consensus the first never
finds it. What is most probable of both is believed, if it is far more probable than that nobody shares and than that
its members click at random. Two parties that agree each among themselves look alike, so gold has to say which is the
ring: the members' gold answers together must be `Rules.corroboration` times as probable under clicking as under good
work, which those of a party of good workers are in at most one of so many cases (Markov). Nor may it be nearly
everybody.

X. Dong, L. Berti-Equille, D. Srivastava (2009), Integrating conflicting data: the role of source dependence, PVLDB 2
(copying shows in errors that are shared). H. Kim, Z. Ghahramani (2012), Bayesian classifier combination, AISTATS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct
from scipy.sparse import csr_array

from gold.evidence import of_gold
from gold.sharing import FEWEST, Sharing, foretold

if TYPE_CHECKING:
    from aggregation.arrays import Bools, Floats
    from gold.evidence import Answers
    from gold.sequential import Rules

# So probable a ring is before any answer, and has to be after them to be believed in.
BASE_RATE, SURE = 0.1, 0.95
# Share of the workers that a ring may be.
MOST = 0.75
# Where confusion matrices would have more cells together, nothing is looked for: they would not fit in memory.
MOST_CELLS = 20_000_000
# Of a member's accomplices, so many are named.
MOST_PEERS = 5


@dataclass(frozen=True, eq=False)
class Ring:
    """
    Who shares answers.

    Attributes
    ----------
    member : (n_workers,) float64
        How probable it is that each worker is a member; 0 for all where no ring was found.
    alike : (n_workers,) bool
        Who agrees as in a ring, unless gold says that it is good work: the members, and before gold has said anything
        a party that may be a ring.
    votes : (n_items, n_labels) float64
        How many members gave each item each label value, each counted by how probable a member they are.
    evidence : float
        The answers are so much more probable with the ring than without it, or than were its members random clickers,
        whichever is less; in nats.

    """

    member: Floats
    alike: Bools
    votes: Floats
    evidence: float

    @property
    def members(self) -> Bools:
        """Say who is more probably a member than not, (n_workers,)."""
        is_member: Bools = self.member > 0.5
        return is_member

    def foretold(self, answers: Answers) -> Floats:
        """Give the probability of each answer were its worker a member, by the other members', (n_answers,)."""
        return foretold(self.votes, answers.item, answers.label, self.member[answers.worker])


def find(answers: Answers, accepted: Bools, n_workers: int, rules: Rules) -> Ring:
    """
    Look for a ring among the workers of a job.

    Several rings show as one, as far as they do not answer the same items.

    Parameters
    ----------
    answers : Answers
        In any order, one of a worker to an item.
    accepted : (n_items, n_labels) bool
        Accepted labels of gold in force.

    """
    member, alike = np.zeros(n_workers), np.zeros(n_workers, dtype=bool)
    votes, evidence = np.zeros(accepted.shape), 0.0
    if answers.item.size and n_workers * accepted.shape[1] ** 2 <= MOST_CELLS:
        model = Sharing(answers, accepted, n_workers)
        alone = model.fit(member, model.of_votes())
        doubted = model.fit(model.clickers(alone), alone.truth)
        anchored = model.fit(np.where(model.active, 1 - doubted.member, 0.0), model.of_gold())
        most = MOST * np.count_nonzero(model.active)
        on_gold = np.bincount(answers.worker, of_gold(answers, accepted, rules.good_accuracy)[1], minlength=n_workers)
        rings = [fit for fit in (doubted, anchored) if FEWEST < fit.member.sum() < most]
        for fit in sorted(rings, key=lambda fit: fit.evidence):
            gain, against = min(fit.evidence - alone.evidence, model.gain(fit.member)), fit.member @ on_gold
            if gain < np.log(SURE / (1 - SURE)) + np.log(1 / BASE_RATE - 1):
                continue
            sharers = model.sharers(fit.member)
            if against > np.log(rules.corroboration):
                member, alike, evidence = sharers, sharers > 0.5, gain
            elif against > -np.log(rules.gold_height):
                member, alike, evidence = np.zeros(n_workers), sharers > 0.5, 0.0
        votes[model.answered] = model.votes(member)
    return Ring(member, alike, votes, evidence)


class Tie(Struct, frozen=True):
    """
    What a member of a ring shares with the other members.

    Attributes
    ----------
    chance
        Of being a member.
    alike, met
        Of the answers to items that another member answered too, those that are what the other members mostly gave.
    usual
        How many of them a good worker would have given, by what the workers outside the ring say.
    n_peers
        Other members with an answer alike.
    peers
        The workers with the most answers alike, of the other members.

    """

    chance: float
    alike: int
    met: int
    usual: float
    n_peers: int
    peers: tuple[int, ...]

    @property
    def reason(self) -> str:
        """Say it in a sentence."""
        return (
            f"Shares answers with {self.n_peers} others: {self.alike} of the {self.met} to items that another of them "
            f"answered are theirs, where a good worker would have given {self.usual:.0f} of these."
        )


def ties(ring: Ring, answers: Answers, implied: Floats, good_accuracy: float) -> dict[int, Tie]:
    """
    Say of each member what they share, and with whom.

    Parameters
    ----------
    answers : Answers
        As the ring was found in.
    implied : (n_answers, n_labels)
        What the workers outside the ring imply of each answer's item.

    """
    rows = np.flatnonzero(ring.members[answers.worker])
    if not rows.size:
        return {}
    item, worker, label = answers.item[rows], answers.worker[rows], answers.label[rows]
    n_items, n_labels = ring.votes.shape
    place = item * n_labels + label
    votes = np.bincount(place, minlength=n_items * n_labels).reshape(n_items, n_labels)[item]
    each = np.arange(rows.size)
    votes[each, label] -= 1
    met = votes.any(axis=1)
    alike = met & (votes[each, label] == votes.max(axis=1))
    theirs = np.where(alike, label, votes.argmax(axis=1))
    right = implied[rows, theirs]
    usual = np.where(met, good_accuracy * right + (1 - good_accuracy) / (n_labels - 1) * (1 - right), 0.0)
    n_workers = ring.member.size
    gave = csr_array((np.ones(rows.size), (worker, np.unique(place, return_inverse=True)[1])), (n_workers, rows.size))
    pairs = csr_array(gave @ gave.T)
    pairs.setdiag(0)
    pairs.eliminate_zeros()
    n_alike, n_met, n_usual = (np.bincount(worker, what, minlength=n_workers) for what in (alike, met, usual))
    told = {}
    for one in np.flatnonzero(ring.members).tolist():
        others = slice(pairs.indptr[one], pairs.indptr[one + 1])
        most = np.lexsort((pairs.indices[others], -pairs.data[others]))[:MOST_PEERS]
        told[one] = Tie(
            chance=float(ring.member[one]),
            alike=int(n_alike[one]),
            met=int(n_met[one]),
            usual=float(n_usual[one]),
            n_peers=int(others.stop - others.start),
            peers=tuple(pairs.indices[others][most].tolist()),
        )
    return told
