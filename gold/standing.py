"""Each worker's standing in a job: probation, trusted, watched or suspended, and why.

A pure function of the facts in force: nothing is remembered, so a corrected gold item forgives what it wrongly
cost, and a suspension holds only as long as the evidence as it is now would have brought it about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gold.ask import AskPolicy, base_rate, chance_bad
from gold.evidence import of_agreement, of_gold
from gold.sequential import HEAD, suspended_at, turned_at, walk

if TYPE_CHECKING:
    from aggregation.arrays import Bools, Floats, Ints
    from gold.evidence import Answers
    from gold.sequential import Rules, Walk

STATES = ("probation", "trusted", "watched", "suspended")
PROBATION, TRUSTED, WATCHED, SUSPENDED = range(4)
# A worker who is more probably bad than good is watched.
WATCH = 0.5


@dataclass(frozen=True, eq=False)
class Standing:
    """
    What the evidence makes of every worker.

    Attributes
    ----------
    state : (n_workers,) int64
        Index in `STATES`.
    chance_bad : (n_workers,) float64
        Given the evidence and the crowd's base rate; 1 is not reached.
    base_rate : float
        Share of bad workers that the job's evidence implies.
    suspended_by : (n_workers,) int64
        Row of the answer, in the order judged, that suspended the worker; -1 for none.
    gold, both : Walk
        The walks on gold alone and on gold and agreement.
    discarded : (n_answers,) bool
        Answers that the consensus is to do without: those of a suspended worker, from the moment on at which they were
        most probably bad. What a turncoat gave before they turned stays.
    is_gold : (n_answers,) bool
    log_ratio : (n_answers,) float64
        What each answer said, bad over good.
    gold_right, gold_total : (n_workers,) int64

    """

    state: Ints
    chance_bad: Floats
    base_rate: float
    suspended_by: Ints
    gold: Walk
    both: Walk
    discarded: Bools
    is_gold: Bools
    log_ratio: Floats
    gold_right: Ints
    gold_total: Ints

    @property
    def suspended(self) -> Bools:
        """Say who is suspended, (n_workers,)."""
        is_suspended: Bools = self.state == SUSPENDED
        return is_suspended

    def reason(self, worker: int) -> str:
        """Say in a sentence why a worker stands where they stand."""
        right, total = int(self.gold_right[worker]), int(self.gold_total[worker])
        on_gold = f"{right} of {total} gold answers right" if total else "no gold answered yet"
        times = _times(float(self.both.now[worker] - np.log(HEAD)))
        return {
            PROBATION: f"On probation: {on_gold}; the evidence does not decide yet ({times}).",
            TRUSTED: f"Trusted: {on_gold}; the evidence, with the others' answers, is {times}.",
            WATCHED: f"Watched: {on_gold}; the evidence is {times}, and gold has still to confirm it.",
            SUSPENDED: f"Suspended: {on_gold}; at its height the evidence was "
            f"{_times(float(max(self.both.peak[worker], self.gold.peak[worker]) - np.log(HEAD)))}.",
        }[int(self.state[worker])]


def judge(
    answers: Answers,
    accepted: Bools,
    implied: Floats,
    n_workers: int,
    rules: Rules,
    *,
    policy: AskPolicy | None = None,
    earlier: Floats | None = None,
    foretold: Floats | None = None,
) -> Standing:
    """
    Judge all workers on their answers.

    Parameters
    ----------
    answers : Answers
        As `Answers.in_order` gives them.
    accepted : (n_items, n_labels) bool
        Accepted labels of gold in force.
    implied : (n_answers, n_labels)
        What the others imply, from `evidence.others`; not looked at where an item is gold.
    earlier : (n_workers,) float, optional
        Log odds of being bad that earlier jobs left, discounted; see `earlier.carry`. They move how much gold is asked
        and who is watched; they suspend nobody.
    foretold : (n_answers,) float, optional
        The probability of each answer were its worker in the ring, see `rings.Ring.foretold`.

    """
    is_gold, ratio = of_gold(answers, accepted, rules.good_accuracy)
    ratio = np.where(is_gold, ratio, of_agreement(answers.label, implied, rules.good_accuracy, foretold))
    worker = answers.worker
    gold = walk(worker, ratio, n_workers, horizon=rules.gold_horizon, counts=is_gold)
    both = walk(worker, ratio, n_workers, horizon=rules.horizon)
    by = suspended_at(gold, both, worker, rules)
    policy = AskPolicy() if policy is None else policy
    leaning = both.now if earlier is None else both.now + earlier
    rate = base_rate(leaning, np.bincount(worker, minlength=n_workers) > 0, policy)
    chance = chance_bad(leaning, rate)
    hit = accepted[answers.item, answers.label] & is_gold
    total = np.bincount(worker[is_gold], minlength=n_workers)
    state = np.full(n_workers, PROBATION)
    # Under "bad from the start" R is at least half of the ratio, so this trusts at most `missed` of random clickers.
    passed = (both.now <= np.log(HEAD * rules.missed)) & (gold.now < np.log(HEAD)) & (total > 0)
    state[passed] = TRUSTED
    state[(chance > WATCH) | (both.now >= np.log(rules.height))] = WATCHED
    state[by >= 0] = SUSPENDED
    right = np.bincount(worker[hit], minlength=n_workers)
    discarded = _discarded(worker, ratio, by, rules)
    return Standing(state, chance, rate, by, gold, both, discarded, is_gold, ratio, right, total)


def _discarded(worker: Ints, log_ratio: Floats, suspended_by: Ints, rules: Rules) -> Bools:
    """Mark the answers that leave the consensus, (n_answers,)."""
    discarded = np.zeros(worker.size, dtype=bool)
    order = np.argsort(worker, kind="stable")
    ends = np.cumsum(np.bincount(worker, minlength=suspended_by.size))
    for number in np.flatnonzero(suspended_by >= 0).tolist():
        rows = order[ends[number - 1] if number else 0 : ends[number]]
        judged = rows[rows <= suspended_by[number]]
        discarded[rows[turned_at(log_ratio[judged], rules) :]] = True
    return discarded


def _times(log_ratio: float) -> str:
    """Say a likelihood ratio in words."""
    side = "random clicking" if log_ratio > 0 else "good work"
    size = np.exp(min(abs(log_ratio), 20.0))
    return (
        f"{size:,.1f} times as probable under {side}" if size < 1000 else f"over 1,000 times as probable under {side}"
    )
