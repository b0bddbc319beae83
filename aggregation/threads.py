"""Threads that share work with the one that has it to give.

Kernels take a millisecond or less, and waking a thread costs a tenth of that. So whoever asks works too, and a thread
that has not woken until all is done is not waited for.

Work can be many steps, each of which shares its own work in turn. Where it fails in one thread, or somebody interrupts
it, it ends in the others with their next step.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

T = TypeVar("T")

_here = threading.local()  # failed: errors in the work that this thread has a part in, by which it is given up


class GivenUp(Exception):
    """Work that another thread had a part in has failed."""


def cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Threads:
    """As many threads as are asked for, of which one is whoever calls."""

    def __init__(self, count: int) -> None:
        self._others = count - 1
        self._pool = ThreadPoolExecutor(self._others) if self._others > 0 else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def map(self, function: Callable[..., T], *columns: Iterable[Any]) -> list[T]:
        """Call ``function`` with each row of the columns; results keep the rows' order, and an error ends the work."""
        if getattr(_here, "failed", None):
            raise GivenUp
        if self._pool is None:
            return list(map(function, *columns))
        work = _Work(function, list(zip(*columns, strict=True)))
        others = [self._pool.submit(work.share) for _ in range(min(self._others, len(work.waiting) - 1))]
        try:
            work.share()
        except GivenUp:
            if isinstance(work.failed[0], GivenUp):  # all of it was given up from outside
                raise
        finally:  # whoever has begun writes into arrays of the caller's
            work.await_others(others)
        if work.failed:
            raise work.failed[0]
        return [work.found[place] for place in range(len(work.found))]


class _Work(Generic[T]):
    """Rows to call a function with, for any number of threads."""

    def __init__(self, function: Callable[..., T], rows: list[tuple[Any, ...]]) -> None:
        self.function, self.waiting = function, deque(enumerate(rows))
        self.found: dict[int, T] = {}
        self.failed: list[BaseException] = []

    def share(self) -> None:
        """Take rows until there are no more, or one fails."""
        before, _here.failed = getattr(_here, "failed", None), self.failed
        try:
            while self.waiting:
                try:
                    place, row = self.waiting.popleft()
                except IndexError:  # another thread took the last one
                    return
                self.found[place] = self.function(*row)
        except BaseException as error:
            self.failed.append(error)
            self.waiting.clear()
            raise
        finally:
            _here.failed = before

    def await_others(self, others: list[Future[None]]) -> None:
        """Wait for those who have begun; interrupted, wait for them to end with their next step."""
        begun = [other for other in others if not other.cancel()]
        try:
            wait(begun)
        except BaseException as error:
            self.failed.append(error)
            wait(begun)
            raise
