"""Threads that share work: all of it is done, in order, and an error ends it."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from aggregation.interrupts import held_back
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


def test_an_error_is_raised_once_nobody_is_at_work_any_more():
    both, ended = threading.Barrier(2, timeout=60), []

    def work(n):
        both.wait()
        if n == 0:
            raise LookupError("no such row")
        ended.append(sum(range(2_000_000)) > 0)  # long after the other has failed

    with Threads(2) as threads:
        with pytest.raises(LookupError, match="no such row"):
            threads.map(work, range(2))
        assert ended == [True]
        assert threads.map(abs, [-1, 2]) == [1, 2]


@pytest.mark.parametrize("count", [1, 3])
def test_an_error_in_any_row_ends_the_work(count):
    def work(n):
        if n == 7:
            raise LookupError(f"not {n}")

    with Threads(count) as threads, pytest.raises(LookupError, match="not 7"):
        threads.map(work, range(100))


@pytest.mark.parametrize("failing", [0, 1])
def test_work_of_many_steps_ends_in_every_thread_where_one_fails(failing):
    """An interrupted climb does not let the others climb on to their ends."""
    both, steps = threading.Barrier(2, timeout=60), []

    def climb(n):
        both.wait()
        if n == failing:
            raise KeyboardInterrupt
        with Threads(1) as within:
            while len(steps) < 1_000_000:
                steps.extend(within.map(abs, [n]))

    with Threads(2) as threads:
        with pytest.raises(KeyboardInterrupt):
            threads.map(climb, range(2))
        assert len(steps) < 1_000_000
        assert threads.map(abs, [-1, 2]) == [1, 2]


def test_an_interrupt_waits_until_what_must_not_be_interrupted_is_done():
    handler, done = signal.getsignal(signal.SIGINT), []

    @held_back()
    def interrupted():
        os.kill(os.getpid(), signal.SIGINT)
        done.append(sum(range(100_000)) > 0)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert done == [True]
    assert signal.getsignal(signal.SIGINT) is handler
    with held_back():
        pass
    with held_back(), pytest.raises(LookupError):
        raise LookupError

    def elsewhere():
        with held_back():
            done.append(signal.getsignal(signal.SIGINT) is handler)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert done == [True, True]
