"""Turns are dealt in the file's order, one at a time to a worker, and each answer once."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.pages import Question
from simulation.recording import Recorded, Recording
from simulation.schedule import Schedule


def question(content: str) -> Question:
    return Question("q1", (content,), {"0": "0"})


def recording(rows, shown=None) -> Recording:
    answers = tuple(Recorded(n, task, worker, "0") for n, (task, worker) in enumerate(rows))
    return Recording(answers, shown or {task: task for task, _ in rows}, 0, 0)


def drain(schedule):
    turns = []
    while (turn := schedule.take()) is not None:
        turns.append((turn.hit, turn.worker))
        schedule.given(turn)
    return turns


def test_turns_follow_the_file():
    schedule = Schedule(recording([("b", "w1"), ("a", "w1"), ("a", "w2")]))
    for hit in ("a", "b"):
        assert schedule.discover(hit, [question(hit)])
    assert drain(schedule) == [("b", "w1"), ("a", "w1"), ("a", "w2")]
    assert schedule.left == 0


def test_a_worker_has_one_turn_at_a_time():
    schedule = Schedule(recording([("a", "w1"), ("b", "w1"), ("c", "w2")]))
    for hit in ("a", "b", "c"):
        schedule.discover(hit, [question(hit)])
    first, second = schedule.take(), schedule.take()
    assert [(turn.hit, turn.worker) for turn in (first, second)] == [("a", "w1"), ("c", "w2")]
    assert schedule.take() is None
    schedule.given(first)
    assert schedule.take().hit == "b"


def test_a_hit_is_attended_by_one_worker_at_a_time():
    schedule = Schedule(recording([("a", "w1"), ("a", "w2"), ("b", "w2"), ("b", "w3")]))
    for hit in ("a", "b"):
        schedule.discover(hit, [question(hit)])
    first, second = schedule.take(), schedule.take()
    assert [(turn.hit, turn.worker) for turn in (first, second)] == [("a", "w1"), ("b", "w3")]
    assert schedule.take() is None
    schedule.given(first)
    schedule.given(second)
    assert drain(schedule) == [("a", "w2"), ("b", "w2")]


def test_a_full_hit_is_tried_again_when_it_is_listed():
    schedule = Schedule(recording([("a", "w1")]))
    schedule.discover("h", [question("a")])
    schedule.refused(schedule.take(), full=True)
    assert schedule.take() is None
    schedule.list_again("h")
    assert drain(schedule) == [("h", "w1")]


def test_a_hit_that_is_gone_is_not_tried_again_but_its_successor_is():
    schedule = Schedule(recording([("a", "w1")]))
    schedule.discover("old", [question("a")])
    schedule.refused(schedule.take(), full=False)
    schedule.list_again("old")
    assert schedule.take() is None
    schedule.discover("new", [question("a")])
    assert drain(schedule) == [("new", "w1")]


def test_tasks_that_look_the_same_get_a_hit_each():
    schedule = Schedule(recording([("a", "w1"), ("b", "w1")], {"a": "same", "b": "same"}))
    schedule.discover("h1", [question("same")])
    schedule.discover("h2", [question("same")])
    assert drain(schedule) == [("h1", "w1"), ("h2", "w1")]


def test_a_hit_of_several_items_is_for_who_answered_them_all():
    schedule = Schedule(recording([("a", "w1"), ("a", "w2"), ("b", "w2")]))
    schedule.discover("h", [question("b"), question("a")])
    turn = schedule.take()
    assert (turn.worker, [answer.task for answer in turn.answers]) == ("w2", ["b", "a"])
    schedule.given(turn)
    assert schedule.take() is None
    assert schedule.left == 1


def test_a_hit_that_shows_something_else_is_left_alone():
    schedule = Schedule(recording([("a", "w1")]))
    assert not schedule.discover("h", [question("nobody saw this")])
    assert not schedule.discover("h", [])
    assert schedule.take() is None


PAIRS = st.tuples(st.sampled_from("abcd"), st.sampled_from(["w1", "w2", "w3"]))


@given(rows=st.lists(PAIRS, unique=True, min_size=1, max_size=12), seed=st.integers(0, 2**32))
def test_every_recorded_answer_is_given_exactly_once(rows, seed):
    """Whatever the order in which HITs appear, fill up and fail."""
    luck = random.Random(seed)
    schedule = Schedule(recording(rows))
    hidden = sorted({task for task, _ in rows})
    luck.shuffle(hidden)
    given_answers, under_way = [], []
    for _ in range(2_000):
        if hidden and luck.random() < 0.3:
            task = hidden.pop()
            schedule.discover(task, [question(task)])
        turn = schedule.take()
        if turn is not None:
            assert turn.worker not in {other.worker for other in under_way}
            under_way.append(turn)
        if under_way and (turn is None or luck.random() < 0.5):
            ending = under_way.pop(0)
            outcome = luck.choice(["given", "given", "full", "failed"])
            if outcome == "given":
                given_answers += [(answer.task, answer.worker) for answer in ending.answers]
                schedule.given(ending)
            elif outcome == "full":
                schedule.refused(ending, full=True)
                schedule.try_again()
            else:
                schedule.failed(ending)
        if not schedule.left:
            break
    assert sorted(given_answers) == sorted(rows)


@pytest.mark.parametrize("repeat", [False, True])
def test_turns_refused_or_failed_never_end_in_a_second_answer(repeat):
    schedule = Schedule(recording([("a", "w1")]))
    schedule.discover("h", [question("a")])
    if repeat:
        schedule.discover("h2", [question("a")])
    schedule.given(schedule.take())
    assert schedule.take() is None
