"""The worker report against the same figures computed one worker and one answer at a time."""

from __future__ import annotations

import math
from statistics import fmean, pstdev

import numpy as np
import pytest

from gold.active import UNKNOWN, active_seconds
from gold.reliability import Belief, Reliability, Work, reliability

K = 3


def made_up(seed: int, *, n_workers: int = 9, n_items: int = 40, n_assignments: int = 70) -> tuple[Work, Belief]:
    """Some work with everything in it: repeats, rejections, unknown times, items without a consensus, idle workers."""
    rng = np.random.default_rng(seed)
    of = rng.integers(n_workers - 1, size=n_assignments)  # the last worker did nothing
    ended = np.sort(rng.integers(1_000, 10_000, size=n_assignments)) * 1_000_000
    began = ended - rng.integers(1, 400, size=n_assignments) * 1_000_000
    began[rng.random(n_assignments) < 0.1] = UNKNOWN
    size = rng.integers(0, 5, size=n_assignments)
    assignment = np.repeat(np.arange(n_assignments), size)
    item, label = rng.integers(n_items, size=assignment.size), rng.integers(K, size=assignment.size)
    rejected = rng.random(n_assignments) < 0.1
    approved = ~rejected & (rng.random(n_assignments) < 0.8)
    accepted = np.zeros((n_items, K), dtype=bool)
    accepted[:8, 0] = True
    accepted[4:12, 1] = True
    posterior = rng.dirichlet(np.ones(K), size=n_items)
    posterior[-5:] = np.nan
    confusion = rng.dirichlet(np.ones(K), size=(n_workers, K))
    confusion[3:] = np.nan
    work = Work(
        item, of[assignment], label, assignment, of, began, ended, rejected, approved, 5 * approved, 6 * approved
    )
    return work, Belief(accepted, posterior, confusion, np.array([0.5, 0.3, 0.2]))


def standing(work: Work) -> list[tuple[int, int, int, int]]:
    """Return the answers that stand as (item, worker, label, assignment)."""
    last = {}
    for item, worker, label, assignment in zip(work.item, work.worker, work.label, work.assignment, strict=True):
        if not work.rejected[assignment]:
            last.pop((item, worker), None)
            last[item, worker] = (int(item), int(worker), int(label), int(assignment))
    return list(last.values())


@pytest.mark.parametrize("seed", range(6))
def test_every_figure_is_that_of_a_count_by_hand(seed: int) -> None:
    work, belief = made_up(seed)
    report = reliability(work, belief, 9)
    rows = standing(work)
    is_gold = {item for item in range(40) if belief.accepted[item].any()}
    for worker in range(9):
        mine = [row for row in rows if row[1] == worker]
        own = [number for number in range(work.of.size) if work.of[number] == worker]
        assert report.answers[worker] == sum(work.worker == worker)
        assert (report.assignments[worker], report.rejected[worker]) == (len(own), sum(work.rejected[own]))
        asked = [row for row in mine if row[0] in is_gold]
        assert report.gold.total[worker] == len(asked)
        assert report.gold.right[worker] == sum(belief.accepted[item, label] for item, _, label, _ in asked)
        shares = []
        for item, _, label, _ in mine:
            others = [row[2] for row in rows if row[0] == item and row[1] != worker]
            if others:
                shares.append(others.count(label) / len(others))
        assert report.compared[worker] == len(shares)
        assert same(report.agreement[worker], fmean(shares) if shares else math.nan)
        judged = [belief.posterior[item, label] for item, _, label, _ in mine if item < 35 and item not in is_gold]
        assert report.judged[worker] == len(judged)
        assert same(report.right[worker], sum(judged) if judged else math.nan)
        assert (report.pay[worker], report.cost[worker]) == (sum(work.pay[own]), sum(work.cost[own]))
        paid = [row for row in mine if work.approved[row[3]] and row[0] not in is_gold]
        if judged and paid:
            assert same(report.cost_per_right[worker], sum(work.cost[own]) / (len(paid) * fmean(judged)))
        check_quality(report, belief, worker, [row for row in mine if row[0] < 35])
    assert report.counted.tolist() == [False] * 3 + [True] * 5 + [False]


def check_quality(report: Reliability, belief: Belief, worker: int, mine: list[tuple[int, int, int, int]]) -> None:
    """Check what comes of the confusion matrix, which is counted with the prior of four right to one wrong."""
    confusion = belief.confusion[worker]
    if math.isnan(confusion[0, 0]) and mine:
        counts = [[4.0 if true == said else 0.5 for said in range(K)] for true in range(K)]
        for item, _, label, _ in mine:
            for true in range(K):
                counts[true][label] += belief.posterior[item, true]
        confusion = np.array([[cell / sum(row) for cell in row] for row in counts])
    np.testing.assert_allclose(report.confusion[worker], confusion)
    cost = 0.0
    for said in range(K):
        chances = [0.5 * confusion[0, said], 0.3 * confusion[1, said], 0.2 * confusion[2, said]]
        cost += sum(chances) - max(chances)
    assert same(report.expected_cost[worker], cost)
    assert same(report.quality[worker], max(0.0, 1 - cost / 0.5) if cost == cost else cost)
    pairs = [(one, other) for one in range(K) for other in range(one + 1, K)]
    spread = sum(((confusion[one] - confusion[other]) ** 2).sum() for one, other in pairs) / (K * (K - 1))
    assert same(report.spammer_score[worker], spread)


def same(told: float, expected: float) -> bool:
    return bool(told == pytest.approx(expected, nan_ok=True))


@pytest.mark.parametrize("seed", range(6))
def test_active_time_is_that_of_one_assignment_after_the_other_and_capped(seed: int) -> None:
    work, belief = made_up(seed)
    report = reliability(work, belief, 9)
    raw, size = [], [max(1, int((work.assignment == number).sum())) for number in range(work.of.size)]
    for number in range(work.of.size):
        earlier = [int(work.ended[one]) for one in range(number) if work.of[one] == work.of[number]]
        took = (work.ended[number] - max([work.began[number], *earlier[-1:]])) / 1e6
        raw.append(took if work.began[number] != UNKNOWN and took > 0 else None)
    each = sorted(took / size[number] for number, took in enumerate(raw) if took is not None)

    def quantile(share: float) -> float:
        place = share * (len(each) - 1)
        low = each[int(place)]
        return low + (place % 1) * (each[min(int(place) + 1, len(each) - 1)] - low)

    q1, q2, q3 = quantile(0.25), quantile(0.5), quantile(0.75)
    cap = min(max(q3 * (q3 / q1) ** 1.5, 3 * q2), 10 * q2)
    assert report.cap == pytest.approx(cap)
    for worker in range(9):
        own = [number for number in range(work.of.size) if work.of[number] == worker and raw[number] is not None]
        took = [min(raw[number], cap * size[number]) for number in own]
        assert same(report.seconds[worker], sum(took) if took else math.nan)
        paid = sum(one for one, number in zip(took, own, strict=True) if work.approved[number])
        earned = sum(int(work.pay[number]) for number in own if work.approved[number])
        assert same(report.pay_per_hour[worker], earned / paid * 3600 if paid else math.nan)


def test_a_night_between_accepting_and_handing_in_is_not_paid_work() -> None:
    second = 1_000_000
    ended = np.array([30, 60, 90, 8 * 3600]) * second
    seconds, cap = active_seconds(np.zeros(4, dtype=int), np.array([0, 0, 0, 0]) * second, ended, np.ones(4, dtype=int))
    assert seconds[:3].tolist() == [30, 30, 30], "accepted at once and done one after the other"
    assert seconds[3] == cap == 10 * 30
    unknown, none = active_seconds(np.zeros(1, dtype=int), np.array([UNKNOWN]), ended[:1], np.ones(1, dtype=int))
    assert (math.isnan(unknown[0]), none) == (True, math.inf)


def test_drift_names_the_assignment_and_is_the_largest_cumulative_sum() -> None:
    """Two workers do 30 assignments of two gold items by turns; the second is wrong from the 20th of theirs on."""
    n = 60
    of = np.arange(n) % 2
    assignment = np.repeat(np.arange(n), 2)
    item = 2 * (assignment // 2) + np.tile([0, 1], n)
    turned = (of[assignment] == 1) & (assignment // 2 >= 20)
    ended = np.arange(n) * 60_000_000
    began, paid = ended - 20_000_000, np.ones(n, dtype=bool)
    label = np.where(turned, 1, 0)
    work = Work(item, of[assignment], label, assignment, of, began, ended, ~paid, paid, 5 * paid, 6 * paid)
    accepted = np.zeros((item.max() + 1, 2), dtype=bool)
    accepted[:, 0] = True
    belief = Belief(accepted, np.full(accepted.shape, np.nan), np.full((2, 2, 2), np.nan), None)
    found = reliability(work, belief, 2).drift
    (gold,) = [one for one in found if one.series == "gold accuracy"]
    assert (gold.worker, gold.row) == (1, 2 * 20 + 1)
    assert (gold.before, gold.after) == (pytest.approx(1), pytest.approx(0))
    own = [1.0] * 40 + [0.0] * 20
    mean, sums = fmean(own), [0.0]
    for one in own:
        sums.append(sums[-1] + one - mean)
    assert gold.statistic == pytest.approx(max(map(abs, sums)) / (pstdev(own) * math.sqrt(60)))
    assert not [one for one in found if one.series.startswith("log seconds")], "the pace was steady"


def test_nothing_is_made_up_of_nothing() -> None:
    none = np.zeros(0, dtype=np.int64)
    work = Work(none, none, none, none, none, none, none, none.astype(bool), none.astype(bool), none, none)
    belief = Belief(np.zeros((4, K), dtype=bool), np.full((4, K), np.nan), np.full((2, K, K), np.nan), None)
    report = reliability(work, belief, 2)
    assert report.answers.tolist() == [0, 0]
    for figure in (report.seconds, report.agreement, report.quality, report.pay_per_hour, report.cost_per_right):
        assert np.isnan(figure).all()
    assert report.prevalence.tolist() == [1 / 3] * 3
    assert report.drift == []
