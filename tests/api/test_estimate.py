"""Estimates: what slice will reserve, to the cent, before it does."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.money import FEE_SCHEDULES
from service.estimate import Alike, bundles, estimate
from service.pipeline.slice import plan
from service.spec_reading import check_spec
from service.store.hits import Unsliced
from tests.api.conftest import SPEC

MTURK, NONE = FEE_SCHEDULES["mturk"], FEE_SCHEDULES["none"]
RUNS = st.lists(
    st.builds(
        lambda minimum, more, count: Alike(minimum, minimum + more, count),
        st.integers(1, 12),
        st.integers(0, 5),
        st.integers(1, 30),
    ),
    max_size=6,
)


def test_the_worst_case_counts_every_assignment_with_its_fee() -> None:
    spec = check_spec(SPEC | {"bundle": {"items": 3, "gold": 1}})
    told = estimate(spec, MTURK, [Alike(2, 3, 10)], gold_there=1)
    assert (told.items, told.hits, told.gold_needed, told.gold_missing) == (10, 4, 4, 3)
    assert told.worst_case_cents == 4 * 3 * (5 + 1), "4 HITs, 3 assignments, 5 cents and a fee of 1"
    assert told.least_cents == 4 * 2 * 6
    assert told.cents_per_answer == 2.0
    assert any("3 more gold items" in note for note in told.notes)


def test_ten_assignments_cost_a_higher_fee_and_start_as_ten() -> None:
    spec = check_spec(SPEC | {"reward": "1.00", "allow_ten_or_more": True})
    nine, ten = (estimate(spec, MTURK, [Alike(3, most, 1)]) for most in (9, 10))
    assert (nine.worst_case_cents, nine.higher_fee_hits) == (9 * 120, 0)
    assert (ten.worst_case_cents, ten.least_cents, ten.higher_fee_hits) == (10 * 140, 10 * 140, 1)
    assert "ten or more" in ten.notes[0]
    free = estimate(spec, NONE, [Alike(3, 10, 1)])
    assert not any("ten or more" in note for note in free.notes), "where nothing is taken, nothing changes at ten"


def test_nothing_costs_nothing() -> None:
    told = estimate(check_spec(SPEC), MTURK, [])
    assert (told.hits, told.worst_case_cents, told.assignment_cents) == (0, 0, 6)


def test_a_hit_over_two_redundancies_takes_the_larger() -> None:
    assert bundles([Alike(1, 2, 4), Alike(3, 5, 2)], 3) == Counter({(1, 2): 1, (3, 5): 1})


@given(runs=RUNS, size=st.integers(1, 7), fees=st.sampled_from(["mturk", "none"]))
def test_what_slice_reserves_is_the_estimate(runs: list[Alike], size: int, fees: str) -> None:
    """The budget is checked against the estimate and charged by slice, so they must be the same to the cent."""
    spec = check_spec(SPEC | {"bundle": {"items": size}, "reward": "0.07"})
    redundancies = [(run.minimum, run.maximum) for run in runs for _ in range(run.count)]
    items = [Unsliced(number, *one) for number, one in enumerate(redundancies)]
    planned = plan(spec, items, [], None, fees=fees, seed=1)  # type: ignore[arg-type]
    told = estimate(spec, FEE_SCHEDULES[fees], runs)
    assert told.hits == len(planned)
    assert told.worst_case_cents == sum(hit.slots * hit.unit_cents for hit in planned)
    assert told.least_cents == sum(hit.wanted * hit.unit_cents for hit in planned)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_no_item_is_lost_between_bundles(size: int) -> None:
    assert bundles([Alike(1, 1, 7), Alike(1, 1, 1), Alike(1, 1, 3)], size).total() == -(-11 // size)


def test_what_watching_a_worker_costs_is_told_by_the_share_of_gold() -> None:
    """The more gold a HIT carries, the sooner a clicker is suspended, and the more a good worker costs."""
    few, many = (
        estimate(check_spec(SPEC | {"bundle": {"items": 6, "gold": gold}}), MTURK, [Alike(2, 3, 60)]).workers
        for gold in (1, 4)
    )
    for good, clicker in (few, many):
        assert (good.accuracy, clicker.accuracy) == (0.85, pytest.approx(1 / 3))
        assert clicker.gold < good.gold
        assert good.suspended < 0.01 < 0.6 < clicker.suspended
    assert few[0].gold == pytest.approx(100 / 7, rel=0.02)
    assert few[0].gold_cents == pytest.approx(few[0].gold * 6 / 7, abs=0.01)
    assert many[1].items < few[1].items
    bare = estimate(check_spec(SPEC), MTURK, [Alike(2, 3, 60)])
    assert bare.workers == []
    assert "There is no gold" in bare.notes[-1]
