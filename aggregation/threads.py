"""Threads that share work with the one that has it to give.

Kernels take a millisecond or less, and waking a thread costs a tenth of that. So whoever asks works too, and a thread
that has not woken until all is done is not waited for.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

T = TypeVar("T")


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
        if self._pool is None:
            return list(map(function, *columns))
        waiting = deque(enumerate(zip(*columns, strict=True)))
        found: dict[int, T] = {}

        def work() -> None:
            while waiting:
                try:
                    place, row = waiting.popleft()
                except IndexError:  # another thread took the last one
                    return
                try:
                    found[place] = function(*row)
                except BaseException:
                    waiting.clear()
                    raise

        others = [self._pool.submit(work) for _ in range(min(self._others, len(waiting) - 1))]
        try:
            work()
        finally:  # whoever has begun writes into arrays of the caller's
            begun = [other for other in others if not other.cancel()]
            wait(begun)
        for other in begun:
            other.result()
        return [found[place] for place in range(len(found))]
