"""Costly work that many may ask for: done once for all who ask, few at a time, and kept while its facts stand."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Generic, NamedTuple, TypeVar

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


class Made(NamedTuple, Generic[T]):
    """What was made, of which version of the facts, and about how many bytes it takes to keep it."""

    version: Hashable
    value: T
    size: int


class Keeping:
    """Keeps what was made of facts for as long as these stand as they were, within a bound of memory.

    Parameters
    ----------
    share : Sharing
        What makes it.
    at_most : int
        Bytes of all that is kept. What was not asked for the longest goes first; what is larger alone is not kept.
    """

    def __init__(self, share: Sharing, at_most: int) -> None:
        self._share, self._at_most = share, at_most
        self._kept: OrderedDict[Hashable, Made[Any]] = OrderedDict()
        self._making: dict[tuple[Hashable, Hashable], asyncio.Task[Made[Any]]] = {}

    async def __call__(self, key: Hashable, version: Hashable, make: Callable[[], Awaitable[Made[T]]]) -> T:
        """Return what is kept of this version, or make it.

        Parameters
        ----------
        version : hashable
            Of the facts, as the caller has just read it. It never comes back once it was another.
        make : callable () -> Made
            Reads the facts and their version as of one moment.
        """
        kept: Made[T] | None = self._kept.get(key)
        if kept is not None and kept.version == version:
            self._kept.move_to_end(key)
            return kept.value
        task: asyncio.Task[Made[T]] | None = self._making.get((key, version))
        if task is None:
            # Whoever asks while it is made, and has read the same version, gets facts that are no older.
            task = self._making[key, version] = asyncio.create_task(self._make(key, version, make))
        return (await asyncio.shield(task)).value

    async def _make(self, key: Hashable, version: Hashable, make: Callable[[], Awaitable[Made[T]]]) -> Made[T]:
        try:
            made = await self._share(key, make)
        finally:
            del self._making[key, version]
        self._kept.pop(key, None)
        if made.size <= self._at_most:
            self._kept[key] = made
            while sum(one.size for one in self._kept.values()) > self._at_most:
                self._kept.popitem(last=False)
        return made
