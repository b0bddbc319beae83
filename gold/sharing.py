"""A model of answers some of which are shared: what is true, what a ring agreed on, and who goes by which.

A member of the ring gives its answer r with `LOYALTY`, else any label value; who is no member answers the true label
by a confusion matrix of their own. Truth, r and confusion are inferred by variational Bayes, and membership by how well
a worker's answers are foretold from all the other answers, by r and by what is true: nobody is their own accomplice.

Arrays have labels first, so that what is summed lies together; answers stand worker by worker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betaln, digamma, gammaln

if TYPE_CHECKING:
    from aggregation.arrays import Bools, Floats, Ints
    from gold.evidence import Answers

# A member gives the ring's answer so often, else any label value.
LOYALTY = 0.85
# Share of members expected where there is a ring, with the weight of so many workers.
SHARE, WORKERS = 0.1, 3.0
# Answers taken as seen before the real ones, right and wrong, of each worker and true label; and of any label value.
RIGHT, WRONG, ANY = 3.7, 1.0, 0.3
# So many steps at the most, and so many where there are as many answers as `LARGE`; fewer where nothing moves.
STEPS, LARGE_STEPS, LARGE, STILL = 12, 5, 500_000, 1e-3
# Who shares with less than one other shares with nobody; and shared by nearly everybody is what is true.
FEWEST, NEARLY_ALL = 1.5, 0.9
LEAST = 1e-300


@dataclass(frozen=True, eq=False)
class Fit:
    """
    What the model makes of the answers from some beginning.

    Attributes
    ----------
    member : (n_workers,) float64
        How probable a member each worker is.
    truth : (n_labels, n_answered_items) float64
    apart : (n_workers,) float64
        Log probability of each worker's answers were they no member.
    evidence : float
        A bound from below on the log probability of all answers.

    """

    member: Floats
    truth: Floats
    apart: Floats
    evidence: float


class Sharing:
    """The answers, and the steps of the inference."""

    def __init__(self, answers: Answers, accepted: Bools, n_workers: int) -> None:
        order = np.lexsort((answers.item, answers.worker))
        self.worker, self.label = answers.worker[order], answers.label[order]
        self.answered, self.item = np.unique(answers.item[order], return_inverse=True)
        self.n_workers, self.n_labels = n_workers, accepted.shape[1]
        self.n_given = np.bincount(self.worker, minlength=n_workers)
        self.active = self.n_given > 0
        self._clicks = -self.n_given * np.log(self.n_labels)
        self.cell = self.worker * self.n_labels + self.label
        self.place = self.item * self.n_labels + self.label
        self.accepted = accepted[self.answered].T
        self.is_gold = self.accepted.any(axis=0)
        self.clamp = np.where(self.is_gold & ~self.accepted, -np.inf, 0.0)
        self.prior = np.full((self.n_labels, self.n_labels), WRONG / (self.n_labels - 1) + ANY)
        np.fill_diagonal(self.prior, RIGHT + ANY)
        self.most_steps = STEPS if self.worker.size < LARGE else LARGE_STEPS

    def of_votes(self) -> Floats:
        """Begin with how each item's answers are shared out, gold known."""
        share = self.votes(np.ones(self.n_workers)).T + 0.1
        return np.where(self.is_gold, self.of_gold(), share / share.sum(axis=0))

    def of_gold(self) -> Floats:
        """Begin with gold known, and nothing else."""
        known = np.where(self.is_gold, self.accepted, 1.0)
        even: Floats = known / known.sum(axis=0)
        return even

    def clickers(self, fit: Fit) -> Floats:
        """Begin with whom the consensus speaks against: how probably a random clicker each worker is."""
        return self._chance(self._clicks - fit.apart, SHARE)

    def votes(self, member: Floats) -> Floats:
        """Count members' answers by answered item and label value, (n_answered_items, n_labels)."""
        size = self.answered.size * self.n_labels
        return _sums(self.place, member[self.worker], size).reshape(-1, self.n_labels)

    def fit(self, member: Floats, truth: Floats) -> Fit:
        """Infer everything, beginning with these memberships and this truth; without a member there will be none."""
        anybody, apart = bool(member.any()), np.zeros(self.n_workers)
        for step in range(self.most_steps if anybody else 3):
            counts = self._counts(truth, member)
            told, truth = self._truth(counts, truth, member)
            apart = self._apart(counts, told, truth, member)
            if anybody:
                before, member = member, self._members(member, apart)
                fell = member.sum() < min(FEWEST, before.sum())
                all_do = step > 0 and member.sum() > NEARLY_ALL * np.count_nonzero(self.active)
                if fell or all_do or np.abs(member - before).max() < STILL:
                    break
        return Fit(member, truth, apart, self._evidence(truth, member))

    def gain(self, member: Floats) -> float:
        """Say how much more probable members' answers are as shared than as random clicks, in nats."""
        swing = swing_of(self.n_labels)
        of_items = _log_sum(self.votes(member).T * swing) - np.log(self.n_labels)
        return float(of_items.sum() + member @ self.n_given * np.log(self.n_labels * stray_of(self.n_labels)))

    def sharers(self, member: Floats) -> Floats:
        """Say who shares, of these members: each's answers must be the others', and not those of a random clicker."""
        return np.minimum(member, self._chance(self._as_member(member) - self._clicks, SHARE))

    def _members(self, member: Floats, apart: Floats) -> Floats:
        """Judge anew who is a member."""
        share = (member.sum() + SHARE * WORKERS) / (np.count_nonzero(self.active) + WORKERS)
        return self._chance(self._as_member(member) - apart, share)

    def _as_member(self, member: Floats) -> Floats:
        """Sum log probabilities of each worker's answers were they a member, by the other members' answers."""
        told = foretold(self.votes(member), self.item, self.label, member[self.worker])
        return _sums(self.worker, np.log(told), self.n_workers)

    def _chance(self, log_ratio: Floats, share: float) -> Floats:
        log_odds = np.clip(log_ratio + np.log(share) - np.log1p(-share), -30, 30)
        return np.where(self.active, 1 / (1 + np.exp(-log_odds)), 0.0)

    def _counts(self, truth: Floats, member: Floats) -> Floats:
        """Count what each worker answered to what is true, as no member, with the prior: (true, worker, answered)."""
        weight, size = 1 - member[self.worker], self.n_workers * self.n_labels
        rows = [np.bincount(self.cell, row[self.item] * weight, minlength=size) for row in truth]
        counts: Floats = np.stack(rows).reshape(self.n_labels, self.n_workers, -1) + self.prior[:, None]
        return counts

    def _truth(self, counts: Floats, truth: Floats, member: Floats) -> tuple[Floats, Floats]:
        """Give what an answer of each worker and label value tells, (true, worker, answered), and what is true."""
        told = (digamma(counts) - digamma(counts.sum(axis=2, keepdims=True))) * (1 - member)[:, None]
        return told, _softmax(self._scores(told, truth))

    def _scores(self, told: Floats, truth: Floats) -> Floats:
        prevalence = truth[:, ~self.is_gold].sum(axis=1) + 1
        rows = [_sums(self.item, row[self.cell], self.answered.size) for row in told.reshape(self.n_labels, -1)]
        known = np.where(self.is_gold, self.clamp, np.log(prevalence / prevalence.sum())[:, None])
        scores: Floats = np.stack(rows) + known
        return scores

    def _apart(self, counts: Floats, told: Floats, truth: Floats, member: Floats) -> Floats:
        """Sum log probabilities of each worker's answers were they no member, by the others and their own others."""
        weight, total = 1 - member[self.worker], counts.sum(axis=2)
        without, both = np.zeros(self.worker.size), np.zeros(self.worker.size)
        odds = np.exp(-told).reshape(self.n_labels, -1)
        for row, count, of_all, undone in zip(truth, counts, total, odds, strict=True):
            true = row[self.item]
            left = true * weight
            true *= undone[self.cell]
            without += true
            both += true * (count.ravel()[self.cell] - left) / (of_all[self.worker] - left)
        told = np.log(np.maximum(both, LEAST) / np.maximum(without, LEAST))
        return _sums(self.worker, told, self.n_workers)

    def _evidence(self, truth: Floats, member: Floats) -> float:
        """Bound the log probability of all answers from below, by one more step."""
        counts, prior = self._counts(truth, member), self.prior[:, None]
        told, _ = self._truth(counts, truth, member)
        gains = digamma(counts) - digamma(counts.sum(axis=2, keepdims=True))
        learnt = gammaln(counts.sum(axis=2)) - gammaln(counts).sum(axis=2) + ((counts - prior) * gains).sum(axis=2)
        learnt -= gammaln(prior.sum(axis=2)) - gammaln(prior).sum(axis=2)
        shared = self.gain(member) - member @ self.n_given * np.log(self.n_labels)
        chance, expected = member[self.active], (SHARE * WORKERS, (1 - SHARE) * WORKERS)
        whom = betaln(expected[0] + chance.sum(), expected[1] + (1 - chance).sum()) - betaln(*expected)
        undecided = chance * np.log(np.maximum(chance, LEAST)) + (1 - chance) * np.log(np.maximum(1 - chance, LEAST))
        return float(_log_sum(self._scores(told, truth)).sum() - learnt.sum() + shared + whom - undecided.sum())


def foretold(votes: Floats, item: Ints, label: Ints, own: Floats) -> Floats:
    """
    Give the probability of each answer, were its worker a member: by the other members' answers, (n_answers,).

    Where no other member answered, every label value is as probable.

    Parameters
    ----------
    votes : (n_items, n_labels)
        How many members gave each label value.
    own : (n_answers,)
        The answer's part in them, which is left out.

    """
    swing, n_labels = swing_of(votes.shape[1]), votes.shape[1]
    odds = np.exp((votes - votes.max(axis=1, keepdims=True)) * swing)
    rest = odds.sum(axis=1)[item] - odds[item, label]
    without = odds[item, label] * np.exp(-own * swing)
    chance: Floats = LOYALTY * without / np.maximum(rest + without, LEAST) + stray_of(n_labels)
    return chance


def stray_of(n_labels: int) -> float:
    """Give the probability with which a member gives any one label value that is not the ring's."""
    return (1 - LOYALTY) / n_labels


def swing_of(n_labels: int) -> float:
    """Give the log odds for the ring's answer that one member's answer is worth."""
    return float(np.log(LOYALTY + stray_of(n_labels)) - np.log(stray_of(n_labels)))


def _sums(place: Ints, what: Floats, size: int) -> Floats:
    total: Floats = np.bincount(place, what, minlength=size).astype(np.float64, copy=False)
    return total


def _softmax(scores: Floats) -> Floats:
    odds: Floats = np.exp(scores - scores.max(axis=0))
    odds /= odds.sum(axis=0)
    return odds


def _log_sum(scores: Floats) -> Floats:
    top = scores.max(axis=0)
    total: Floats = top + np.log(np.exp(scores - top).sum(axis=0))
    return total
