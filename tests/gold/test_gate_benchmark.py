"""The benchmark of gates: its jobs are fair, and its comparison reads curves rightly."""

import numpy as np
import pytest

from benchmarks.gate.arms import Assay, NoGate
from benchmarks.gate.compare import cost_at
from benchmarks.gate.job import Job, Setting, View, fitted
from benchmarks.gate.populations import GOOD, POPULATIONS
from gold.evidence import Answers

SMALL = Setting(n_items=150, n_workers=12, every=60)


def test_cost_is_read_between_thresholds_and_is_nothing_where_never_reached():
    cents, accuracy = np.array([10.0, 20.0, 40.0]), np.array([0.9, 0.99, 0.98])
    assert cost_at(0.9, cents, accuracy) == pytest.approx(10)
    assert cost_at(1 - 10**-1.5, cents, accuracy) == pytest.approx(np.sqrt(200))
    assert np.isnan(cost_at(0.995, cents, accuracy))


def test_arms_meet_the_same_crowd_and_items_and_a_job_is_repeatable():
    mix = POPULATIONS["30% spammers"]
    gated, again, free = (Job(SMALL, mix, gate, 0.9, 3) for gate in (Assay(3), Assay(3), NoGate()))
    np.testing.assert_array_equal(gated.truth, free.truth)
    for one, other in zip(gated.crowd, free.crowd, strict=True):
        np.testing.assert_array_equal(one.traits.confusion, other.traits.confusion)
    assert gated.run() == again.run()


def test_who_agrees_with_everybody_is_not_suspected_for_what_came_after_the_last_consensus():
    """Six workers answer 60 items alike, of which the latest consensus knows none yet."""
    item, worker = (grid.ravel() for grid in np.meshgrid(np.arange(60), np.arange(6), indexing="ij"))
    place = np.arange(item.size)
    answers, accepted = Answers(item, worker, item % 3, place, place), np.zeros((60, 3), dtype=bool)
    stale = fitted(answers.rows(place[:0]), accepted, 6, max_iter=5)[0]
    arm = Assay(3)
    assert not arm.suspended(View(answers, accepted, 6, stale, np.ones(item.size, dtype=bool))).any()
    assert arm.scoring.standing.chance_bad.max() < 0.01


def test_an_answer_is_the_same_whatever_was_asked_before():
    one, other = (Job(SMALL, POPULATIONS["30% biased"], NoGate(), 0.9, 3) for _ in range(2))
    first = [one.answer(0, place) for place in range(100)]
    second = [other.answer(0, place) for place in range(99, -1, -1)]
    assert first == second[::-1]
    assert len(set(first)) == 2


def test_the_gate_catches_spammers_and_lets_good_workers_be():
    outcome = Job(SMALL, POPULATIONS["30% spammers"], Assay(3), 0.9, 4).run()
    free = Job(SMALL, POPULATIONS["30% spammers"], NoGate(), 0.9, 4).run()
    fate = {kind in GOOD: [] for kind in outcome.kinds}
    for kind, suspended in zip(outcome.kinds, outcome.suspended, strict=True):
        fate[kind in GOOD].append(suspended)
    assert all(fate[False])
    assert not any(fate[True])
    assert 0 < outcome.gold_share < 0.2
    assert free.gold_share == 0
    assert outcome.cents_per_item < free.cents_per_item
    assert outcome.accuracy >= free.accuracy - 0.01
