"""A lean crowd: takes every place there is, and submits over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Self

import aiohttp

from benchmarks.path.cpu import seconds_of
from foundation.postgres.pool import connect
from marketplace.store import assignments, workers

_AT_ONCE = 8
_PEOPLE = 60
_PLACES = """
SELECT hit_id, unused FROM hit WHERE open AND unused > 0 AND expires_at > $1 ORDER BY hit_no LIMIT 500
"""
_PAUSE = 0.05


class Crowd:
    """People who answer whatever is offered, and mostly agree.

    Attributes
    ----------
    submitted : int
        Assignments handed in.
    """

    def __init__(self, dsn: str, market: str, *, slots: int, labels: int) -> None:
        self._dsn, self._submit = dsn, f"{market}/externalSubmit"
        self._slots, self._labels = slots, labels
        self._taken: dict[str, int] = {}
        self.submitted = 0

    async def __aenter__(self) -> Self:
        self._conn = await connect(self._dsn, schema="marketplace")
        await self._conn.execute("SET synchronous_commit = off")  # what a crowd accepts costs us no fsync
        self._people = [
            worker for worker, _ in await workers.invite(self._conn, names=[""] * _PEOPLE, now=datetime.now(UTC))
        ]
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=_AT_ONCE))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()
        await self._conn.close()

    def cpu(self) -> float:
        """Return the CPU seconds of the crowd's backend."""
        return seconds_of(self._conn.get_server_pid())

    async def work(self) -> None:
        """Work until cancelled."""
        while True:
            if not await self.work_through():
                await asyncio.sleep(_PAUSE)

    async def work_through(self) -> int:
        """Do what is there now; returns how many assignments that was."""
        places = await self._conn.fetch(_PLACES, datetime.now(UTC))
        todo = iter([(row["hit_id"], worker) for row in places for worker in self._next(row["hit_id"], row["unused"])])
        before, one_at_a_time = self.submitted, asyncio.Lock()
        await asyncio.gather(*(self._hand_in(todo, one_at_a_time) for _ in range(_AT_ONCE)))
        return self.submitted - before

    def _next(self, hit_id: str, places: int) -> list[str]:
        """Return people who have not done a HIT yet."""
        first = self._taken.get(hit_id, 0)
        self._taken[hit_id] = first + places
        start = zlib.crc32(hit_id.encode())
        return [self._people[(start + number) % _PEOPLE] for number in range(first, first + places)]

    async def _hand_in(self, todo: Iterator[tuple[str, str]], one_at_a_time: asyncio.Lock) -> None:
        for hit_id, worker in todo:
            async with one_at_a_time:
                place = await assignments.accept(self._conn, worker_id=worker, hit_id=hit_id, now=datetime.now(UTC))
            form = {"assignmentId": place.assignment_id} | {
                f"q{slot}": str(self._answer(hit_id, slot, worker)) for slot in range(1, self._slots + 1)
            }
            async with self._http.post(self._submit, data=form) as answer:
                await answer.read()
                answer.raise_for_status()
            self.submitted += 1

    def _answer(self, hit_id: str, slot: int, worker: str) -> int:
        """Return a label: the same of most people, another of one in eight."""
        truth = zlib.crc32(f"{hit_id}/{slot}".encode())
        slip = zlib.crc32(f"{hit_id}/{slot}/{worker}".encode()) % 8 == 0
        return (truth + slip) % self._labels


@contextlib.asynccontextmanager
async def at_work(crowd: Crowd):  # noqa: ANN201 - a context manager
    """Let a crowd work for as long as the block lasts; its failure is the block's."""
    task = asyncio.create_task(crowd.work())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
