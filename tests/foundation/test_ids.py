"""Ids: unique, in the order they were made, and what a UUIDv7 says they are."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.clock import ManualClock, SystemClock
from foundation.ids import is_id, new_id

CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
times = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def as_uuid(text: str) -> uuid.UUID:
    number = 0
    for character in text.partition("_")[2]:
        number = number * 32 + CROCKFORD.index(character)
    return uuid.UUID(int=number)


@given(times)
def test_an_id_is_a_uuid_of_version_7_that_holds_its_time(now):
    made = as_uuid(new_id("job", ManualClock(now)))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == int(now.timestamp() * 1000)


@given(times, times)
def test_ids_sort_by_their_time(one, other):
    first, second = sorted([one, other])
    if int(first.timestamp() * 1000) < int(second.timestamp() * 1000):
        assert new_id("job", ManualClock(first)) < new_id("job", ManualClock(second))


def test_ids_of_one_millisecond_are_unique_and_in_order(clock):
    made = [new_id("item", clock) for _ in range(20_000)]
    assert made == sorted(set(made))


def test_threads_never_make_the_same_id():
    clock = SystemClock()
    with ThreadPoolExecutor(8) as threads:
        made = [
            text
            for some in threads.map(lambda _: [new_id("hit", clock) for _ in range(2_000)], range(8))
            for text in some
        ]
    assert len(set(made)) == len(made)


def test_an_id_is_known_by_its_shape(clock):
    made = new_id("job", clock)
    assert len(made) == len("job_") + 26
    assert is_id("job", made)
    wrong = [
        "",
        "job_",
        made[:-1],
        made + "0",
        made.upper(),
        made.replace("job_", "item_"),
        f"{made}\n",
        "job_" + "z" * 26,
    ]
    assert [text for text in wrong if is_id("job", text)] == []


@pytest.mark.parametrize("prefix", ["", "Job", "a_b", "1a"])
def test_an_odd_prefix_is_refused(prefix, clock):
    with pytest.raises(ValueError, match="prefix"):
        new_id(prefix, clock)


def test_a_clock_is_moved_by_hand_and_never_back():
    clock = ManualClock(datetime(2026, 1, 5, 12, 0, tzinfo=UTC))
    clock.advance(seconds=90)
    assert clock.now() == datetime(2026, 1, 5, 12, 1, 30, tzinfo=UTC)
    with pytest.raises(ValueError, match="never goes back"):
        clock.advance(seconds=-1)
    with pytest.raises(ValueError, match="aware"):
        ManualClock(datetime(2026, 1, 5))  # noqa: DTZ001
