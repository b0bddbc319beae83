"""Signs of automation: evidence with a base rate, for a person to judge. Nothing here suspends or rejects.

Each sign has a p-value under honest work. What it is worth is bounded by Sellke, Bayarri and Berger's calibration: no
alternative makes a p-value of p more than 1 / (-e p ln p) times as probable. With a base rate b of automation, the
chance that a worker automates is then at most LR b / (1 - b + LR b), which is what is shown: from a base rate of 2%, p
= 0.01 makes at most one in seven.

T. Sellke, M. Bayarri, J. Berger (2001), Calibration of p values for testing precise null hypotheses, American
Statistician 55.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct
from scipy.special import bdtrc

if TYPE_CHECKING:
    import numpy.typing as npt

    from aggregation.arrays import Floats, Ints
    from gold.evidence import Answers

BASE_RATE = 0.02
# Honest answers that are nevertheless this fast.
HONEST_FAST = 0.05
# Of an item whose workers are compared pair by pair.
MOST_ANSWERS = 100


class Sign(Struct, frozen=True):
    """
    One sign on one worker: likelihood ratio and resulting chance are upper bounds.

    Attributes
    ----------
    peer : int
        The other worker, where the sign is about two; -1 otherwise.

    """

    worker: int
    kind: str
    p_value: float
    likelihood_ratio: float
    chance: float
    reason: str
    peer: int = -1


def most_ratio(p_value: npt.ArrayLike) -> Floats:
    """Bound the likelihood ratio that each p-value can stand for."""
    p = np.clip(np.asarray(p_value, dtype=np.float64), 1e-12, 1 / np.e)
    ratio: Floats = -1 / (np.e * p * np.log(p))
    return ratio


def signs(
    answers: Answers,
    consensus: Ints,
    n_workers: int,
    n_labels: int,
    *,
    seconds: Floats | None = None,
    fast_seconds: float = 1.0,
    base_rate: float = BASE_RATE,
    least_chance: float = 0.1,
    labels: Sequence[str] | None = None,
) -> list[Sign]:
    """
    Look for signs on every worker; give those by which automation is at least ``least_chance`` probable.

    Parameters
    ----------
    answers : Answers
        As `Answers.in_order` gives them.
    consensus : (n_items,) int
        Label that the consensus gives each item; -1 for none.
    seconds : (n_answers,), optional
        Active seconds, NaN where unknown.
    fast_seconds : float
        Nobody reads and answers in less, but for one time in twenty.
    labels : sequence of str, optional
        Names of the label values, for the reasons; by default their numbers.

    """
    names = tuple(map(str, range(n_labels))) if labels is None else tuple(labels)
    found: list[Sign] = []

    def judged(kind: str, p_value: Floats, tell: Callable[[int], str], peer: Ints | None = None) -> None:
        ratio = most_ratio(p_value)
        chance = ratio * base_rate / (1 - base_rate + ratio * base_rate)
        for worker in np.flatnonzero(chance >= least_chance).tolist():
            how = f"With one worker in {1 / base_rate:.0f} automating, that is at most {chance[worker]:.0%} probable."
            numbers = float(p_value[worker]), float(ratio[worker]), float(chance[worker])
            other = -1 if peer is None else int(peer[worker])
            found.append(Sign(worker, kind, *numbers, f"{tell(worker)} {how}", other))

    if seconds is not None:
        judged("speed", *_speed(answers.worker, seconds, n_workers, fast_seconds))
    judged("identical_run", *_runs(answers, consensus, n_workers, names))
    judged("shared_errors", *_clusters(answers, consensus, n_workers, n_labels))
    return sorted(found, key=lambda sign: (-sign.chance, sign.worker))


def _speed(worker: Ints, seconds: Floats, n_workers: int, fast: float) -> tuple[Floats, Callable[[int], str]]:
    known = np.isfinite(seconds)
    total = np.bincount(worker[known], minlength=n_workers)
    quick = np.bincount(worker[known & (np.where(known, seconds, fast) < fast)], minlength=n_workers)
    chance = np.where(quick > 0, bdtrc(quick - 1, total, HONEST_FAST), 1.0)
    return (
        chance,
        lambda one: f"{quick[one]} of {total[one]} answers took under {fast:g} second{'' if fast == 1 else 's'}.",
    )


def _runs(
    answers: Answers, consensus: Ints, n_workers: int, labels: Sequence[str]
) -> tuple[Floats, Callable[[int], str]]:
    """
    Test the longest run of one label against how probable the worker's usual agreement makes it, wherever it may begin.

    A run of items that are alike is no sign: each answer counts by whether the consensus has that label too.
    """
    n_labels = len(labels)
    order = np.argsort(answers.worker, kind="stable")
    worker, label = answers.worker[order], answers.label[order]
    believed = consensus[answers.item[order]]
    starts = np.flatnonzero(np.diff(worker, prepend=-1) | np.diff(label, prepend=-1))
    lengths, owner = np.diff(starts, append=worker.size), worker[starts]
    # Of each worker the longest run, the first of those as long.
    ranked = np.lexsort((starts, -lengths, owner))
    longest = ranked[np.flatnonzero(np.diff(owner[ranked], prepend=-1))]
    inside = np.zeros(starts.size, dtype=bool)
    inside[longest] = True
    in_run = np.repeat(inside, lengths)
    known, alike = believed >= 0, label == believed
    agreed = np.bincount(worker[alike & known & ~in_run], minlength=n_workers)
    judged = np.bincount(worker[known & ~in_run], minlength=n_workers)
    right = ((agreed + 4) / (judged + 5))[worker]
    chance = np.where(known, np.where(alike, right, (1 - right) / (n_labels - 1)), 1 / n_labels)
    log_chance = np.bincount(worker[in_run], np.log(chance[in_run]), minlength=n_workers)
    size = np.bincount(worker, minlength=n_workers)
    p_value = np.where(size > 0, np.minimum(1.0, size * np.exp(log_chance)), 1.0)
    length, of_label = np.zeros(n_workers, dtype=np.int64), np.zeros(n_workers, dtype=np.int64)
    length[owner[longest]], of_label[owner[longest]] = lengths[longest], label[starts[longest]]
    same = np.bincount(worker[in_run & alike], minlength=n_workers)
    return (
        p_value,
        lambda one: (
            f"{length[one]} answers in a row were label value {labels[of_label[one]]}; the consensus has it "
            f"on {same[one]} of them."
        ),
    )


def _clusters(
    answers: Answers, consensus: Ints, n_workers: int, n_labels: int
) -> tuple[Floats, Callable[[int], str], Ints]:
    """
    Test pairs of workers for errors in common: the same label, against the consensus.

    Hard items make honest workers err alike. So the chance that a worker shares an error is taken from how the item's
    other workers answered, with two answers added at the crowd's rate of errors. Only pairs that met are looked at, and
    items of more than `MOST_ANSWERS` answers are left out, as their pairs grow with the square.
    """
    size = np.bincount(answers.item, minlength=consensus.size)
    known = np.flatnonzero((consensus[answers.item] >= 0) & (size[answers.item] <= MOST_ANSWERS))
    order = known[np.argsort(answers.item[known], kind="stable")]
    item, who, label = answers.item[order], answers.worker[order], answers.label[order]
    wrong = label != consensus[item]
    usual = (wrong.sum() + 1) / (order.size + 2) / 2
    erring = np.flatnonzero(wrong)
    first = np.searchsorted(item, item[erring])
    # Every erring answer beside every other of its item.
    one = np.repeat(erring, size[item[erring]])
    steps = np.arange(one.size) - np.repeat(np.cumsum(size[item[erring]]) - size[item[erring]], size[item[erring]])
    other = np.repeat(first, size[item[erring]]) + steps
    one, other = one[one != other], other[one != other]
    key, place = np.unique(item * n_labels + label, return_inverse=True)
    as_many = np.bincount(place, minlength=key.size)[place]
    same = label[one] == label[other]
    alike = as_many[one] - 1 - same
    expected = (np.maximum(alike, 0) + 2 * usual) / (np.maximum(size[item[one]] - 2, 0) + 2)
    pairs, pair = np.unique(who[one] * n_workers + who[other], return_inverse=True)
    met = np.bincount(pair, minlength=pairs.size)
    shared = np.bincount(pair, same, minlength=pairs.size)
    usually = np.bincount(pair, expected, minlength=pairs.size)
    chance = bdtrc(shared - 1, met, np.clip(usually / met, 1e-9, 1.0))
    # Of each worker the peer that is least to be expected.
    ranked = np.lexsort((pairs, chance, pairs // n_workers))
    least = ranked[np.flatnonzero(np.diff(pairs[ranked] // n_workers, prepend=-1))]
    of = pairs[least] // n_workers
    p_value, peer, row = np.ones(n_workers), np.full(n_workers, -1), np.zeros(n_workers, dtype=np.int64)
    p_value[of] = np.minimum(1.0, chance[least] * max(n_workers - 1, 1))
    peer[of], row[of] = pairs[least] % n_workers, least
    return (
        p_value,
        lambda worker: (
            f"Another worker gave the same label on {int(shared[row[worker]])} of the {met[row[worker]]} items where "
            f"this worker went against the consensus; {usually[row[worker]]:.1f} would be usual."
        ),
        peer,
    )
