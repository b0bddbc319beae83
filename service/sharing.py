"""Costly work that many may ask for at once: done once for all who ask before it begins, and few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Sharing:
    """Shares work that reads facts as they stand.

    Whoever asks joins work of the same key that waits for its turn, and never work that has begun: what they get is
    true of a moment after they asked.

    Parameters
    ----------
    at_once : int
        How much work goes on at the same time.
    """

    def __init__(self, at_once: int) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._waiting: dict[Hashable, asyncio.Task[Any]] = {}

    async def __call__(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """Return what the work comes to. Who goes away stops it for nobody else."""
        task: asyncio.Task[T] | None = self._waiting.get(key)
        if task is None:
            task = self._waiting[key] = asyncio.create_task(self._do(key, work))
        return await asyncio.shield(task)

    async def _do(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        try:
            await self._free.acquire()
        finally:
            del self._waiting[key]
        try:
            return await work()
        finally:
            self._free.release()
