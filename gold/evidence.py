"""What each answer says of its worker: right or wrong on gold, or in how far the others agree.

On gold the truth is known. Elsewhere the consensus of the others is evidence with noise of its own: with
q(c) = P(true label is c | the others' answers), an answer l has the likelihood

    good worker:  a q(l) + (1 - a) / (K - 1) (1 - q(l)),      random clicker:  1 / K,      member of a ring:  r(l),

where r is what the ring's other members gave (see `rings`), whose answers are left out of q. The ratio of bad to good,
with the unknown truth summed out, has mean 1 for a good worker where q is calibrated. (The
expected log ratio over q would not: near q = 1/2 it counts an answer for more than it tells.) Where the others know
nothing, q is even and the answer says nothing.

Leaving the worker's own answer out is Troia's rule (P. Ipeirotis et al. 2010, HCOMP): who agrees with a consensus that
they made alone has shown nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aggregation.tempering import USUAL
from gold.sequential import gold_ratios

if TYPE_CHECKING:
    from aggregation.arrays import Bools, Floats, Ints

# So much of the others' consensus is taken for a guess: items may be ambiguous, and no consensus is surer than this.
DOUBT = 0.05
# So far a bad worker is taken to give what a ring's other members gave, else to click at random.
SHARED = 0.75
LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class Answers:
    """
    Facts: every answer that was given, as the store has them, in any order.

    Attributes
    ----------
    item, worker, label : (n_answers,) int
    submitted : (n_answers,) int64
        Microseconds of the market's submit time.
    assignment : (n_answers,) int64
        Breaks ties of time: numbers in the order of the assignments' ids.

    """

    item: Ints
    worker: Ints
    label: Ints
    submitted: Ints
    assignment: Ints

    def in_order(self) -> Answers:
        """
        Sort by submit time, then assignment, then item; keep the last answer of a worker to an item.

        The order is a function of the answers themselves: it is the same however they arrived. An answer given
        again takes the place in time of the last one.
        """
        order = np.lexsort((self.item, self.assignment, self.submitted))
        key = (self.item.astype(np.int64) * (int(self.worker.max(initial=0)) + 1) + self.worker)[order]
        _, last = np.unique(key[::-1], return_index=True)
        return self.rows(order[np.sort(key.size - 1 - last)])

    def rows(self, rows: Ints | Bools) -> Answers:
        """Take some of the answers."""
        return Answers(
            self.item[rows], self.worker[rows], self.label[rows], self.submitted[rows], self.assignment[rows]
        )


def of_gold(answers: Answers, accepted: Bools, good_accuracy: float) -> tuple[Bools, Floats]:
    """
    Weigh answers to gold.

    Parameters
    ----------
    accepted : (n_items, n_labels) bool
        No label accepted means that the item is not gold, or that it was retired.

    Returns
    -------
    is_gold : (n_answers,) bool
    log_ratio : (n_answers,) float64
        Bad over good; 0 where the item is not gold.

    """
    n_accepted = accepted.sum(axis=1)[answers.item]
    is_gold: Bools = n_accepted > 0
    right, wrong = gold_ratios(accepted.shape[1], good_accuracy, n_accepted)
    hit = accepted[answers.item, answers.label]
    return is_gold, np.where(is_gold, np.where(hit, right, wrong), 0.0)


def others(posterior: Floats, own: Floats, n_others: Ints) -> Floats:
    """
    Say what the others' answers alone imply of each answer's item, (n_answers, n_labels); rows sum to 1.

    Parameters
    ----------
    posterior : (n_answers, n_labels)
        Of each answer's item, as a model of independent errors has it.
    own : (n_answers, n_labels)
        P(this answer | each true label) of its worker, which is divided out; rows of ones where the answer is not in
        the consensus.
    n_others : (n_answers,)
        How many other answers the item has. The more, the less the posterior is believed: see
        `aggregation.tempering`, whose tempering this is.

    """
    log_odds = np.log(np.maximum(posterior, LEAST)) - np.log(np.maximum(own, LEAST))
    log_odds /= (1 + USUAL * np.maximum(n_others - 1, 0))[:, None]
    implied = np.exp(log_odds - log_odds.max(axis=1, keepdims=True))
    implied /= implied.sum(axis=1, keepdims=True)
    even = 1 / posterior.shape[1]
    told: Floats = np.where(n_others[:, None] > 0, (1 - DOUBT) * implied + DOUBT * even, even)
    return told


def of_agreement(label: Ints, implied: Floats, good_accuracy: float, foretold: Floats | None = None) -> Floats:
    """
    Weigh answers by what the others imply: log likelihood ratios, bad over good, (n_answers,).

    A bad worker may share answers: then theirs are those of their accomplices. However that is foretold, without the
    answer itself, the ratio has mean 1 for a good worker.

    Parameters
    ----------
    label : (n_answers,) int
    implied : (n_answers, n_labels)
        What `others` gives.
    foretold : (n_answers,), optional
        The probability of each answer were its worker in the ring, see `rings.Ring.foretold`.

    """
    n_labels = implied.shape[1]
    q = implied[np.arange(label.size), label]
    good = good_accuracy * q + (1 - good_accuracy) / (n_labels - 1) * (1 - q)
    bad = 1 / n_labels if foretold is None else SHARED * foretold + (1 - SHARED) / n_labels
    ratio: Floats = np.log(bad) - np.log(good)
    return ratio


def soft_counts(answers: Answers, implied: Floats, n_workers: int) -> tuple[Floats, Floats]:
    """
    Count agreement as gold is counted, each answer by how much the others know of its item.

    An answer whose item the others are sure of counts for nearly one; where they know nothing, for none: its weight is
    1 - H(q) / log K. The unknown true label is shared out by q. Added to what `score.score` counts on gold, this makes
    the posterior of a worker's accuracy for each label, see `trust.believe`.

    Parameters
    ----------
    answers : Answers
        Answers to items that are no gold.
    implied : (n_answers, n_labels)
        What `others` gives.

    Returns
    -------
    right_by_label, total_by_label : (n_workers, n_labels) float64

    """
    n_labels = implied.shape[1]
    entropy = -(implied * np.log(np.maximum(implied, LEAST))).sum(axis=1)
    told = implied * np.clip(1 - entropy / np.log(n_labels), 0.0, 1.0)[:, None]
    total, right = np.zeros((n_workers, n_labels)), np.zeros((n_workers, n_labels))
    np.add.at(total, answers.worker, told)
    np.add.at(right, (answers.worker, answers.label), told[np.arange(answers.label.size), answers.label])
    return right, total
