"""Threads that share work: all of it is done, in order, and an error ends it."""

from __future__ import annotations

import threading

import pytest

from aggregation.threads import Threads


@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_row_is_worked_on_once_and_results_keep_their_order(count):
    done = []

    def work(n, twice):
        done.append(n)
        return n + twice

    with Threads(count) as threads:
        for rows in (0, 1, 2, 300):
            done.clear()
            assert threads.map(work, range(rows), range(0, 2 * rows, 2)) == [3 * n for n in range(rows)]
            assert sorted(done) == list(range(rows))


def test_two_threads_are_two():
    both = threading.Barrier(2, timeout=60)
    with Threads(2) as threads:
        assert threads.map(lambda n: both.wait() >= 0 and n, range(2)) == [0, 1]


@pytest.mark.parametrize("failing", [0, 1, 7])
def test_an_error_ends_the_work_and_leaves_nobody_at_it(failing):
    at_work = set()

    def work(n):
        at_work.add(n)
        try:
            if n == failing:
                raise LookupError(f"not {n}")
        finally:
            at_work.discard(n)

    with Threads(3) as threads:
        with pytest.raises(LookupError, match=f"not {failing}"):
            threads.map(work, range(100))
        assert not at_work
        assert threads.map(abs, [-1, 2]) == [1, 2]
