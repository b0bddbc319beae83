"""A crowd in one process: its pace, its tally, and an orderly end."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from simulation.browser import Sleep

CONNECTIONS = 24
"""Requests on their way at once, for a whole crowd. Workers take turns for them."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How simulated time passes: ``speed`` simulated seconds in one real second."""

    speed: float = 1.0
    sleep: Sleep = asyncio.sleep

    async def pass_time(self, seconds: float) -> None:
        """Let simulated seconds pass: arriving, reading, clicking."""
        await self.sleep(seconds / self.speed)

    async def wait(self, seconds: float) -> None:
        """Wait real seconds, for a server whose time is not simulated."""
        await self.sleep(seconds)


@dataclass(slots=True)
class Tally:
    """What a crowd has done so far."""

    answers_given: int = 0
    hits_seen: int = 0
    hits_submitted: int = 0
    hits_returned: int = 0
    hits_left_lying: int = 0
    hits_refused: int = 0
    items_unknown: int = 0
    workers_active: int = 0
    workers_turned_away: int = 0
    trouble: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the counts by name."""
        return asdict(self)


def open_connections(limit: int = CONNECTIONS) -> aiohttp.TCPConnector:
    """Open the connections that a crowd's browsers share."""
    return aiohttp.TCPConnector(limit=limit, limit_per_host=limit)


async def run_until(stop: asyncio.Event, lives: Iterable[Coroutine[Any, Any, None]]) -> bool:
    """Run all lives to their end, or until told to stop; returns whether all came to their end.

    A life that fails ends them all, with its error.
    """
    tasks = [asyncio.create_task(life) for life in lives]
    waiter = asyncio.create_task(stop.wait())
    try:
        pending: set[asyncio.Task[Any]] = set(tasks)
        while pending and not waiter.done():
            done, pending = await asyncio.wait({*pending, waiter}, return_when=asyncio.FIRST_COMPLETED)
            pending.discard(waiter)
            for task in done - {waiter}:
                task.result()
        return not pending
    finally:
        for task in (*tasks, waiter):
            task.cancel()
        await asyncio.gather(*tasks, waiter, return_exceptions=True)


async def report_every(seconds: float, tally: Tally, report: Callable[[dict[str, Any]], None]) -> None:
    """Report the tally again and again, where it has changed."""
    last: dict[str, Any] = {}
    while True:
        await asyncio.sleep(seconds)
        if (now := tally.as_dict()) != last:
            report({"event": "progress", **now})
            last = now
