"""Signs of automation: evidence with a base rate, for a person to judge. Nothing here suspends or rejects.

Each sign has a p-value under honest work. What it is worth is bounded by Sellke, Bayarri and Berger's calibration: no
alternative makes a p-value of p more than 1 / (-e p ln p) times as probable. With a base rate b of automation, the
chance that a worker automates is then at most LR b / (1 - b + LR b), which is what is shown: from a base rate of 2%, p
= 0.01 makes at most one in seven.

T. Sellke, M. Bayarri, J. Berger (2001), Calibration of p values for testing precise null hypotheses, American
Statistician 55.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct
from scipy.stats import binom

if TYPE_CHECKING:
    from aggregation.arrays import Floats, Ints
    from gold.evidence import Answers

BASE_RATE = 0.02
# Honest answers that are nevertheless this fast.
HONEST_FAST = 0.05


class Sign(Struct, frozen=True):
    """One sign on one worker: likelihood ratio and resulting chance are upper bounds."""

    worker: int
    kind: str
    p_value: float
    likelihood_ratio: float
    chance: float
    reason: str


def most_ratio(p_value: float) -> float:
    """Bound the likelihood ratio that a p-value can stand for."""
    if p_value >= 1 / np.e:
        return 1.0
    p = max(p_value, 1e-12)
    return float(-1 / (np.e * p * np.log(p)))


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

    """
    found: list[Sign] = []
    for worker in range(n_workers):
        rows = np.flatnonzero(answers.worker == worker)
        if rows.size:
            found.append(_run(worker, answers.label[rows], consensus[answers.item[rows]], n_labels))
            if seconds is not None:
                found.append(_speed(worker, seconds[rows], fast_seconds))
    found += _clusters(answers, consensus, n_workers)
    judged = [_judged(sign, base_rate) for sign in found]
    return sorted(
        (sign for sign in judged if sign.chance >= least_chance), key=lambda sign: (-sign.chance, sign.worker)
    )


def _judged(sign: Sign, base_rate: float) -> Sign:
    ratio = most_ratio(sign.p_value)
    chance = ratio * base_rate / (1 - base_rate + ratio * base_rate)
    reason = (
        f"{sign.reason} With one worker in {1 / base_rate:.0f} automating, that makes it at most {chance:.0%} probable."
    )
    return Sign(sign.worker, sign.kind, sign.p_value, ratio, chance, reason)


def _speed(worker: int, seconds: Floats, fast: float) -> Sign:
    known = seconds[np.isfinite(seconds)]
    quick = int((known < fast).sum())
    chance = float(binom.sf(quick - 1, known.size, HONEST_FAST)) if quick else 1.0
    return Sign(worker, "speed", chance, 1.0, 0.0, f"{quick} of {known.size} answers took under {fast:g} seconds.")


def _run(worker: int, labels: Ints, believed: Ints, n_labels: int) -> Sign:
    """
    Test the longest run of one label against how probable the worker's usual agreement makes it, wherever it may begin.

    A run of items that are alike is no sign: each answer counts by whether the consensus has that label too.
    """
    bounds = np.concatenate([[0], np.flatnonzero(np.diff(labels)) + 1, [labels.size]])
    lengths = np.diff(bounds)
    longest = int(lengths.argmax())
    run = np.s_[bounds[longest] : bounds[longest + 1]]
    length, label = int(lengths[longest]), int(labels[bounds[longest]])
    agreed, judged = np.delete(labels == believed, run), np.delete(believed >= 0, run)
    right = (agreed.sum() + 4) / (judged.sum() + 5)
    chance = np.where(believed[run] == label, right, (1 - right) / (n_labels - 1))
    chance = np.where(believed[run] < 0, 1 / n_labels, chance)
    p_value = float(min(1.0, labels.size * np.exp(np.log(chance).sum())))
    reason = (
        f"{length} answers in a row were label value {label}; the consensus has it on "
        f"{int((believed[run] == label).sum())} of them."
    )
    return Sign(worker, "identical_run", p_value, 1.0, 0.0, reason)


def _clusters(answers: Answers, consensus: Ints, n_workers: int) -> list[Sign]:
    """
    Test pairs of workers for errors in common: the same label, against the consensus.

    Hard items make honest workers err alike. So the chance that a worker shares an error is taken from how the item's
    other workers answered, with two answers added at the crowd's rate of errors.
    """
    known = np.flatnonzero(consensus[answers.item] >= 0)
    order = known[np.argsort(answers.item[known], kind="stable")]
    wrong = answers.label != consensus[answers.item]
    usual = (wrong[order].sum() + 1) / (order.size + 2) / 2
    shape = (n_workers, n_workers)
    met, shared, expected = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for rows in np.split(order, np.flatnonzero(np.diff(answers.item[order])) + 1):
        who, label = answers.worker[rows], answers.label[rows]
        same = label[:, None] == label[None, :]
        erring = np.flatnonzero(wrong[rows])
        cells = np.ix_(who[erring], who)
        alike = same[erring].sum(axis=1, keepdims=True) - 1 - same[erring]
        met[cells] += 1
        shared[cells] += same[erring]
        expected[cells] += (np.maximum(alike, 0) + 2 * usual) / (max(rows.size - 2, 0) + 2)
    chances = binom.sf(shared - 1, np.maximum(met, 1), np.clip(expected / np.maximum(met, 1), 1e-9, 1.0))
    np.fill_diagonal(chances, 1.0)
    found = []
    for worker in range(n_workers):
        peer = int(chances[worker].argmin())
        reason = (
            f"Worker {peer} gave the same label on {int(shared[worker, peer])} of the {int(met[worker, peer])} "
            f"items where "
            f"this worker went against the consensus; {expected[worker, peer]:.1f} would be usual."
        )
        chance = min(1.0, float(chances[worker, peer]) * max(n_workers - 1, 1))
        found.append(Sign(worker, "shared_errors", chance, 1.0, 0.0, reason))
    return found
