"""Memory is given to another array when nothing refers to it any more, and never before."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregation import memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SMALL, LARGE = 100, memory.LEAST
VIEWS: dict[str, Callable[[Any], Any]] = {
    "slice": lambda array: array[3:5],
    "slice of a slice": lambda array: array[3:][:4],
    "other shape": lambda array: array.reshape(2, -1),
    "other type": lambda array: array.view(np.int64),
    "transposed": lambda array: array.reshape(2, -1).T,
    "read only": lambda array: np.broadcast_to(array, (2, array.size)),
    "as an array": np.asarray,
    "by its buffer": np.frombuffer,
    "another's base": lambda array: array.base[::2],
    "memory": memoryview,
}


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    memory._kept.clear()
    yield
    memory._kept.clear()


def place(array: Any) -> int:
    where: int = array.ctypes.data
    return where


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_memory_stays_while_a_view_of_it_is_left(view: Callable[[Any], Any]) -> None:
    array = memory.zeros(LARGE)
    where = place(array)
    seen = view(array)
    del array
    assert place(memory.empty(LARGE)) != where
    del seen
    assert where in {place(one) for one in [memory.empty(LARGE), memory.empty(LARGE)]}


def test_arrays_begin_at_cache_lines_and_hold_what_is_asked_for() -> None:
    for shape in [(0,), (0, 5), (3,), (SMALL, 7), (LARGE, 3), (1, LARGE)]:
        for kind in (np.int16, np.int32, np.float64):
            array = memory.empty(*shape, dtype=kind)
            assert (array.shape, array.dtype) == (shape, np.dtype(kind))
            assert array.size == 0 or place(array) % memory.CACHE_LINE == 0
            assert array.flags.c_contiguous
            assert array.flags.writeable
    assert not memory.zeros(LARGE).any()
    memory.empty(LARGE).fill(1.0)
    assert not memory.zeros(LARGE).any(), "what another left in memory"


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(LARGE // 8, LARGE)), max_size=40))
def test_arrays_that_are_alive_never_share_memory(steps: list[tuple[int, int]]) -> None:
    alive: dict[int, tuple[int, Any]] = {}
    for number, (name, size) in enumerate(steps):
        array = memory.empty(size)
        array.fill(number)
        alive[name] = number, array
        for written, other in alive.values():
            assert (other == written).all()


def test_no_more_is_kept_than_is_said() -> None:
    quarter = memory.MOST // 4 // 8
    arrays = [memory.empty(quarter - 1000 * number) for number in range(8)]
    assert not memory._kept
    arrays.clear()
    assert memory.MOST // 2 < sum(room.size for room in memory._kept) <= memory.MOST


def test_threads_take_and_keep_at_once() -> None:
    wrong = []

    def work(number: float) -> None:
        for turn in range(200):
            array = memory.empty(LARGE // 8 + turn % 3 * LARGE // 8)
            array.fill(number)
            if not (array == number).all():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
