"""The sequential test that a worker must pass, and go on passing.

Two hypotheses: a good worker is right with ``good_accuracy``; a bad one clicks at random, from the start or from
some answer on. Each piece of evidence has a likelihood ratio L of bad over good, and the walk is

    R_0 = 1/2,    R_n = (R_{n-1} + 1/(2 horizon)) L_n.

It is Wald's ratio, with half of its weight on "bad from the start", and the Shiryaev-Roberts sum over all later
moments at which a good worker may have turned. As L has mean 1 for a good worker whatever was asked and why, R_n - n/(2
horizon) is a martingale there, and by Doob's inequality

    P(a good worker's R ever reaches A within n pieces of evidence) <= (1/2 + n/(2 horizon)) / A,

which is 1/A over the horizon: no approximation, no independence of what is asked from what was answered. The walk of
one who has earned trust never falls far below 1/(2 horizon), so that a turncoat is not protected by a long past; Page's
CUSUM has a hard floor in the same place.

A. Wald (1945), Sequential tests of statistical hypotheses, Annals of Mathematical Statistics 16. E. Page (1954),
Continuous inspection schemes, Biometrika 41. G. Moustakides, A. Polunchenko, A. Tartakovsky (2011), A numerical
approach to performance analysis of quickest change-point detection procedures, Statistica Sinica 21 (the head start).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import Struct

if TYPE_CHECKING:
    from aggregation.arrays import Bools, Floats, Ints

HEAD = 0.5


class Rules(Struct, frozen=True, kw_only=True):
    """
    The error rates of the test and what else decides about a worker's state; all of it a setting.

    Attributes
    ----------
    good_accuracy
        A worker who is right this often is good.
    wrongly_suspended
        At most this share of good workers is suspended over the horizons, where the consensus is calibrated.
    on_gold
        So much of that share is spent on gold alone, the rest on gold and agreement together.
    missed
        At most this share of random clickers is ever trusted.
    gold_horizon, horizon
        Gold answers, and pieces of evidence in all, over which the errors hold; beyond, they grow in proportion.
    corroboration
        Agreement suspends nobody by itself: the walk on gold alone must have reached this too. Were the consensus
        wholly wrong, still at most ``1 / corroboration`` of good workers would be suspended.

    """

    good_accuracy: float = 0.85
    wrongly_suspended: float = 0.01
    on_gold: float = 0.8
    missed: float = 0.05
    gold_horizon: int = 50
    horizon: int = 500
    corroboration: float = 5.0

    def __post_init__(self) -> None:
        """Refuse what cannot be a rule."""
        for name in ("good_accuracy", "wrongly_suspended", "on_gold", "missed"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} is a share between 0 and 1, not {getattr(self, name)}")
        if min(self.gold_horizon, self.horizon) < 1 or self.corroboration < 1:
            raise ValueError("horizons count at least one answer, and corroboration is at least 1")

    @property
    def gold_height(self) -> float:
        """Where the walk on gold alone suspends."""
        return 1 / (self.wrongly_suspended * self.on_gold)

    @property
    def height(self) -> float:
        """Where the walk on gold and agreement suspends, with gold's corroboration."""
        return 1 / (self.wrongly_suspended * (1 - self.on_gold))


def gold_ratios(n_labels: int, good_accuracy: float, n_accepted: int | Ints = 1) -> tuple[Floats, Floats]:
    """
    Give the log likelihood ratio, bad over good, of a right and of a wrong gold answer.

    A random clicker hits one of ``n_accepted`` of ``n_labels`` label values with chance n_accepted / n_labels. Gold
    that accepts so much that clicking does as well as working tells nothing: both ratios are 0.
    """
    chance = np.asarray(n_accepted, dtype=np.float64) / n_labels
    tells = (chance < good_accuracy) & (chance > 0)
    used = np.where(tells, chance, good_accuracy)
    return np.log(used / good_accuracy), np.log((1 - used) / (1 - good_accuracy))


@dataclass(frozen=True, eq=False)
class Walk:
    """
    Where each worker's walk is, how high it ever was, and how it went.

    Attributes
    ----------
    now, peak : (n_workers,) float64
        Natural logarithms of R.
    path : (n_evidence,) float64
        log R just after each piece of evidence.

    """

    now: Floats
    peak: Floats
    path: Floats


def walk(worker: Ints, log_ratio: Floats, n_workers: int, *, horizon: int, counts: Bools | None = None) -> Walk:
    """
    Walk through evidence that stands in the order of its time.

    Workers step side by side: the loop is as long as the longest history, not as the evidence.

    Parameters
    ----------
    worker : (n_evidence,) int
    log_ratio : (n_evidence,) float
        Bad over good; 0 for what tells nothing.
    counts : (n_evidence,) bool, optional
        What is no evidence to this walk leaves it where it is.

    """
    rate = np.log(1 / (2 * horizon))
    now = np.full(n_workers, np.log(HEAD))
    peak = now.copy()
    path = np.empty(worker.size)
    order = np.argsort(worker, kind="stable")
    lengths = np.bincount(worker, minlength=n_workers)
    starts = np.cumsum(lengths) - lengths
    by_length = np.argsort(-lengths, kind="stable")
    still = np.searchsorted(-lengths[by_length], -np.arange(1, lengths.max(initial=0) + 1), side="right")
    for step, n_walking in enumerate(still):
        who = by_length[:n_walking]
        at = order[starts[who] + step]
        reached = np.logaddexp(now[who], rate) + log_ratio[at]
        if counts is not None:
            reached = np.where(counts[at], reached, now[who])
        now[who] = path[at] = reached
        peak[who] = np.maximum(peak[who], reached)
    return Walk(now, peak, path)


def turned_at(log_ratio: Floats, rules: Rules) -> int:
    """
    Say from which of a suspended worker's pieces of evidence on they were bad: the most probable such moment.

    As the walk does, this gives "from the start" half of the weight, and each later moment 1 / (2 horizon): what a
    worker did before counts as good only where it is good beyond doubt.

    Parameters
    ----------
    log_ratio : (n,) float
        Of the worker alone, in order, up to the suspension.

    """
    before = np.concatenate([[0.0], np.cumsum(log_ratio)[:-1]])
    before[1:] += np.log(rules.horizon)
    return int(before.argmin())


def enough(gold: Floats | float, both: Floats | float, rules: Rules) -> Any:
    """Say whether walks that stand at these logarithms, on gold alone and on gold and agreement, suspend."""
    corroborated = (np.asarray(both) >= np.log(rules.height)) & (np.asarray(gold) >= np.log(rules.corroboration))
    return (np.asarray(gold) >= np.log(rules.gold_height)) | corroborated


def suspended_at(gold: Walk, both: Walk, worker: Ints, rules: Rules) -> Ints:
    """
    Find the piece of evidence that suspends each worker, (n_workers,), -1 for none.

    Either gold alone is enough, or gold and agreement together with gold's corroboration; see `Rules`.

    Parameters
    ----------
    gold, both : Walk
        Over the same evidence; for ``gold`` only gold counts.
    worker : (n_evidence,) int

    """
    first = np.full(gold.now.size, worker.size)
    at = np.flatnonzero(enough(gold.path, both.path, rules))
    np.minimum.at(first, worker[at], at)
    return np.where(first < worker.size, first, -1)
