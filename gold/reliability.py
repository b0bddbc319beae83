"""How reliable each worker of a job is, from the stored facts: counted for all workers at once.

Nothing here decides anything. Every figure is a function of the job's answers, the gold in force, the consensus as it
stands, and what was paid, and each says what it leaves out where something is not known (NaN).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from aggregation.quality import confusion_of, expected_cost, quality, spammer_score
from aggregation.table import LabelTable
from gold.active import active_seconds
from gold.drift import Drift, drift, mix_drift
from gold.score import GoldScore, score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aggregation.arrays import Bools, Floats, Ints

AGREEMENT, SECONDS, GOLD = "agreement with the others", "seconds for an answer", "gold accuracy"


@dataclass(frozen=True, eq=False)
class Work:
    """
    What workers did: the facts that the report is a function of.

    Attributes
    ----------
    item, worker, label : (n_answers,) int
        Every answer that was handed in, in the order in which answers supersede.
    assignment : (n_answers,) int
        Row of its assignment, below.
    of : (n_assignments,) int
        The worker of each assignment, in the order in which they were handed in.
    began, ended : (n_assignments,) int64
        Microseconds; `active.UNKNOWN` where it was not told when work began.
    rejected, approved : (n_assignments,) bool
        Answers of rejected ones say nothing here; the time that they took counts. Approved ones are paid.
    pay, cost : (n_assignments,) int64
        Cents that went to the worker, and what it cost with the market's fees; 0 until it was approved.

    """

    item: Ints
    worker: Ints
    label: Ints
    assignment: Ints
    of: Ints
    began: Ints
    ended: Ints
    rejected: Bools
    approved: Bools
    pay: Ints
    cost: Ints


@dataclass(frozen=True, eq=False)
class Belief:
    """
    What is held to be right.

    Attributes
    ----------
    accepted : (n_items, n_labels) bool
        Accepted labels of the gold in force; a row of False is no gold item.
    posterior : (n_items, n_labels) float64
        The stored consensus; NaN where an item has none.
    confusion : (n_workers, n_labels, n_labels) float64
        The stored confusion matrices, true by answered; NaN where a run left a worker none.
    prevalence : (n_labels,) float64, or None
        Of the last run; without it, the mean of the posterior.

    """

    accepted: Bools
    posterior: Floats
    confusion: Floats
    prevalence: Floats | None


@dataclass(frozen=True, eq=False)
class Series:
    """
    The answers that stand, in order: what the figures are means of.

    Attributes
    ----------
    worker, assignment : (n,) int
    hit : (n,) float64
        On gold whether it was right, else NaN.
    shared : (n,) float64
        Share of the item's other answers that are the same; NaN where there is no other.
    seconds : (n_assignments,) float64
        Active time of each assignment for one answer, NaN where it is not known.

    """

    worker: Ints
    assignment: Ints
    hit: Floats
    shared: Floats
    seconds: Floats


@dataclass(frozen=True, eq=False)
class Reliability:
    """
    The figures of every worker, (n_workers,) each unless said otherwise; NaN where one is not known.

    Attributes
    ----------
    answers, assignments, rejected : int64
        Handed in: answers and assignments, and how many of these were rejected.
    seconds : float64
        Active time, see `gold.active`; cap is the most seconds for one answer that count.
    timed : int64
        Answers in assignments whose time is known: seconds / timed is the time for an answer.
    gold : GoldScore
        Right and all gold answers, and by label.
    agreement : float64
        Mean share of the other workers' answers to the same item that are the same, over the worker's answers to items
        that somebody else answered; compared : int64, how many of these there are.
    confusion : (n_workers, n_labels, n_labels) float64
        From the run; where that left none, counted against the consensus (see `aggregation.quality`); NaN where there
        is neither.
    counted : bool
        Whose confusion matrix was counted.
    prevalence : (n_labels,) float64
    expected_cost, quality, spammer_score : float64
        See `aggregation.quality`.
    right : float64
        Expected right answers to items that are no gold and have a consensus, as it stands; judged : int64, of
        how many.
    pay, cost : int64
        Cents.
    pay_per_hour : float64
        Cents for an hour of active time, over the assignments that were paid and whose time is known.
    cost_per_right : float64
        Cents for a right answer to an item that is no gold: cost over the expected right ones of those in paid
        assignments, the share right being that of the judged. Infinite where none is right.
    drift : list of Drift
        Of gold, agreement, time and the mix of labels, each with its own rate of false discoveries; a row is that of
        the assignment with which the change begins.
    series : Series

    """

    answers: Ints
    assignments: Ints
    rejected: Ints
    seconds: Floats
    cap: float
    timed: Ints
    gold: GoldScore
    agreement: Floats
    compared: Ints
    confusion: Floats
    counted: Bools
    prevalence: Floats
    expected_cost: Floats
    quality: Floats
    spammer_score: Floats
    right: Floats
    judged: Ints
    pay: Ints
    cost: Ints
    pay_per_hour: Floats
    cost_per_right: Floats
    drift: list[Drift]
    series: Series


def reliability(work: Work, belief: Belief, n_workers: int, names: Sequence[str] | None = None) -> Reliability:
    """
    Count everything for all workers.

    Parameters
    ----------
    names : sequence of str, optional
        Names of the label values, for reasons; by default their numbers.

    """
    n_items, n_labels = belief.accepted.shape

    def per_worker(of: Ints, weights: Floats | Ints | None = None) -> Floats:
        sums: Floats = np.bincount(of, weights, minlength=n_workers).astype(np.float64)
        return sums

    size = np.bincount(work.assignment, minlength=work.of.size)
    seconds, cap = active_seconds(work.of, work.began, work.ended, size)
    timed = np.isfinite(seconds)
    rows = _standing(work)
    item, worker, label = work.item[rows], work.worker[rows], work.label[rows]
    table = LabelTable.from_arrays(item, worker, label, n_labels, n_items=n_items, n_workers=n_workers)
    shared = _shared(table, item, label)
    met = np.isfinite(shared)
    compared = per_worker(worker[met])
    is_gold: Bools = belief.accepted.sum(axis=1) > 0
    chance = belief.posterior[item, label]
    judged = np.isfinite(chance) & ~is_gold[item]
    n_judged, right = per_worker(worker[judged]), per_worker(worker[judged], chance[judged])
    prevalence = _prevalence(belief)
    confusion, counted = _confusion(table, belief)
    pay, cost = per_worker(work.of, work.pay), per_worker(work.of, work.cost)
    in_time = work.approved & timed
    handed = work.assignment[rows]
    asked = per_worker(worker[work.approved[handed] & ~is_gold[item]])
    hit = np.where(is_gold[item], belief.accepted[item, label], np.nan)
    each = seconds / np.maximum(size, 1)
    return Reliability(
        answers=per_worker(work.worker).astype(np.int64),
        assignments=per_worker(work.of).astype(np.int64),
        rejected=per_worker(work.of[work.rejected]).astype(np.int64),
        seconds=_known(per_worker(work.of[timed], seconds[timed]), per_worker(work.of[timed])),
        cap=cap,
        timed=per_worker(work.of[timed], size[timed]).astype(np.int64),
        gold=score(table, belief.accepted),
        agreement=_ratio(per_worker(worker[met], shared[met]), compared),
        compared=compared.astype(np.int64),
        confusion=confusion,
        counted=counted,
        prevalence=prevalence,
        expected_cost=expected_cost(confusion, prevalence),
        quality=quality(confusion, prevalence),
        spammer_score=spammer_score(confusion),
        right=_known(right, n_judged),
        judged=n_judged.astype(np.int64),
        pay=pay.astype(np.int64),
        cost=cost.astype(np.int64),
        pay_per_hour=_ratio(
            per_worker(work.of[in_time], work.pay[in_time]), per_worker(work.of[in_time], seconds[in_time]) / 3600
        ),
        cost_per_right=_ratio(cost, asked * _ratio(right, n_judged), infinite=True),
        drift=[
            *_moments(drift(worker, hit, n_workers, GOLD), handed),
            *_moments(drift(worker, shared, n_workers, AGREEMENT), handed),
            *drift(work.of, each, n_workers, SECONDS, geometric=True),
            *_moments(mix_drift(worker, label, n_workers, n_labels, names=names), handed),
        ],
        series=Series(worker, handed, hit, shared, each),
    )


def _standing(work: Work) -> Ints:
    """Find the answers that stand, in order: of assignments that were not rejected, a worker's last to each item."""
    kept = np.flatnonzero(~work.rejected[work.assignment])[::-1]
    key = work.item[kept].astype(np.int64) * (int(work.worker.max(initial=0)) + 1) + work.worker[kept]
    _, last = np.unique(key, return_index=True)
    return np.sort(kept[last])


def _shared(table: LabelTable, item: Ints, label: Ints) -> Floats:
    """Give the share of an item's other answers that are as each is, (n,); NaN where there is no other."""
    votes = table.votes()
    others = table.answers_per_item[item] - 1
    return _ratio(votes[item, label] - 1, others)


def _prevalence(belief: Belief) -> Floats:
    if belief.prevalence is not None:
        return belief.prevalence
    known = belief.posterior[np.isfinite(belief.posterior[:, 0])]
    n_labels = belief.posterior.shape[1]
    even: Floats = np.full(n_labels, 1 / n_labels)
    return known.mean(axis=0) if known.size else even


def _confusion(table: LabelTable, belief: Belief) -> tuple[Floats, Bools]:
    """Take the stored confusion matrices, and count those of workers who have none."""
    bare = np.isnan(belief.confusion[:, 0, 0])
    known = np.isfinite(belief.posterior[:, 0])
    usable = bare[table.worker] & known[table.item]
    counted: Bools = np.zeros(table.n_workers, dtype=bool)
    counted[table.worker[usable]] = True
    if not usable.any():
        return belief.confusion, counted
    found = confusion_of(table.keep(usable), belief.posterior)
    return np.where(counted[:, None, None], found, belief.confusion), counted


def _moments(found: list[Drift], assignment: Ints) -> list[Drift]:
    """Name the assignment of each change in place of the answer."""
    return [replace(one, row=int(assignment[one.row])) for one in found]


def _ratio(over: Floats, under: Floats | Ints, *, infinite: bool = False) -> Floats:
    """Divide; NaN where there is nothing to divide by, or infinite where there is something to divide."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Floats = np.asarray(over, dtype=np.float64) / under
    return ratio if infinite else np.where(np.asarray(under) > 0, ratio, np.nan)


def _known(value: Floats, of: Floats) -> Floats:
    """Leave a sum unknown where nothing went into it."""
    known: Floats = np.where(of > 0, value, np.nan)
    return known
