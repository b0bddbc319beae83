"""When to ask a worker for gold: often while trust is uncertain, seldom once it is sure.

A gold answer earns its cost by bringing a suspension nearer, so it is worth the more, the more probable it is that the
worker is bad. The share of gold among a worker's answers is therefore

    rate = least + (most - least) P(worker is bad | evidence, base rate),

where the base rate is that of the job's own crowd: a clean crowd is asked little, whoever arrives in it. The evidence
is gold and agreement. Agreement clears by a bounded factor, and nobody of a party that agrees as a ring does: workers
who share their answers agree with each other, and were they asked the less gold for it, they would make the consensus.
Where there may be a ring, its supposed members are asked for gold as people of whom nothing is known but that they are
one of two parties; as many golds as decide of one worker decide of them all, see `rings`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from gold.sequential import HEAD

if TYPE_CHECKING:
    from aggregation.arrays import Bools, Floats, Ints

# How probably bad workers are who agree as in a ring, before gold has said whether they are one.
PARTY = 0.5


class AskPolicy(Struct, frozen=True, kw_only=True):
    """
    How much gold to ask.

    Attributes
    ----------
    least, most
        Share of gold among the answers of one who is surely good, and of one who is surely bad.
    base_rate, base_workers
        Share of bad workers expected before any is known, and how many workers' worth of evidence that counts for.
    clears
        Agreement lowers the odds of being bad, beside what gold alone says, at most by this factor; not at all where
        workers agree as in a ring.
    exposure
        A gold item is not given to more workers than this.

    """

    least: float = 0.001
    most: float = 0.65
    base_rate: float = 0.07
    base_workers: float = 3.0
    clears: float = 100.0
    exposure: int = 50

    def __post_init__(self) -> None:
        """Refuse what cannot be a policy."""
        if not 0 <= self.least <= self.most <= 1 or not 0 < self.base_rate < 1:
            raise ValueError("least, most and base_rate are shares, least not above most, base_rate not 0 or 1")
        if self.exposure < 1 or self.base_workers <= 0 or self.clears < 1:
            raise ValueError("exposure counts at least one worker, base_workers is positive, and clears at least 1")


def chance_bad(log_walk: Floats, base_rate: Floats | float) -> Floats:
    """Say how probable it is that each worker is bad by now, (n_workers,), from the walk's log R."""
    log_odds = log_walk - np.log(HEAD) + np.log(base_rate) - np.log1p(-base_rate)
    chance: Floats = 1 / (1 + np.exp(-np.clip(log_odds, -700, 700)))
    return chance


def base_rate(log_walk: Floats, active: Bools, policy: AskPolicy) -> float:
    """
    Estimate the share of bad workers in a crowd by expectation maximisation over what their walks say.

    Parameters
    ----------
    log_walk : (n_workers,)
    active : (n_workers,) bool
        Workers of whom there is any evidence.

    """
    walks, rate = log_walk[active], policy.base_rate
    pseudo = policy.base_rate * policy.base_workers
    for _ in range(50):
        before, rate = rate, float((chance_bad(walks, rate).sum() + pseudo) / (walks.size + policy.base_workers))
        if abs(rate - before) < 1e-6:
            break
    return rate


def gold_rate(chance: Floats, policy: AskPolicy) -> Floats:
    """Give the share of gold to ask of workers who are bad with this chance, (n_workers,)."""
    rate: Floats = policy.least + (policy.most - policy.least) * chance
    return rate


def asked(gold: Floats, both: Floats, alike: Bools, base: float, policy: AskPolicy) -> Floats:
    """
    Give the share of gold to ask of each worker, (n_workers,): by gold and agreement, bounded by what gold alone says.

    Parameters
    ----------
    gold, both : (n_workers,)
        Logarithms of the walks on gold alone, and on gold and agreement.
    alike : (n_workers,) bool
        Who agrees as in a ring, see `rings.Ring`. Agreement clears them of nothing, and of two parties one is the ring.
    base : float
        Share of bad workers in the crowd.

    """
    walk = np.maximum(both, gold - np.where(alike, 0.0, np.log(policy.clears)))
    return gold_rate(chance_bad(walk, np.where(alike, max(base, PARTY), base)), policy)


def pick(
    accepted: Bools, exposures: Ints, seen: Bools, shown_of_label: Floats, policy: AskPolicy, *, n: int, seed: int
) -> Ints:
    """
    Pick gold for a worker: none that they have seen, none over its exposure, from the labels they met least.

    Parameters
    ----------
    accepted : (n_gold, n_labels) bool
        Accepted labels in force; a row without any is retired and never picked.
    exposures : (n_gold,) int
        How many workers have met each gold item.
    seen : (n_gold,) bool
        Whether this worker has met it.
    shown_of_label : (n_labels,) float
        How often this worker has met gold of each label.
    n : int
        How many are wanted; fewer come where fewer are left.

    Returns
    -------
    rows : (n or fewer,) int64
        Of the gold offered, the least exposed first among equals, then by a seeded draw.

    """
    random = np.random.default_rng(seed)
    share = accepted / np.maximum(accepted.sum(axis=1, keepdims=True), 1)
    free = accepted.any(axis=1) & ~seen & (exposures < policy.exposure)
    lot = random.random(exposures.size)
    met, picked = shown_of_label.astype(np.float64), []
    for _ in range(n):
        rows = np.flatnonzero(free)
        if not rows.size:
            break
        # What the worker has met of this item's labels, the mean over those that it accepts.
        best = rows[np.lexsort((lot[rows], exposures[rows], share[rows] @ met))[0]]
        picked.append(best)
        free[best] = False
        met = met + share[best]
    return np.array(picked, dtype=np.int64)


def pick_for_job(accepted: Bools, exposures: Ints, policy: AskPolicy, *, n: int, seed: int) -> Ints:
    """
    Pick gold for a job from a bank: the labels take turns, the least exposed first, none over its exposure.

    Parameters
    ----------
    accepted : (n_gold, n_labels) bool
        Accepted labels in force; the first is taken for the item's label here.
    exposures : (n_gold,) int
        How many workers have met each gold item.
    n : int
        How many are wanted; fewer come where fewer are left.

    Returns
    -------
    rows : (n or fewer,) int64

    """
    lot = np.random.default_rng(seed).random(exposures.size)
    free = np.flatnonzero(accepted.any(axis=1) & (exposures < policy.exposure))
    if not free.size:
        return free
    free = free[np.lexsort((lot[free], exposures[free]))]
    label = accepted[free].argmax(axis=1)
    by_label = np.argsort(label, kind="stable")
    sizes = np.bincount(label)
    turn = np.empty(free.size, dtype=np.int64)
    turn[by_label] = np.arange(free.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return free[np.lexsort((lot[free], turn))][:n]
