"""The engine: runs every stage that is due, as often as it is due, in as many processes as one likes.

What is due is in the database. A notification, the next due time and a periodic sweep each only make the engine look.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog

from service.markets.market import MarketError
from service.metrics import STAGE_FAILURES, STAGE_SECONDS
from service.pipeline import collect, decide, deliver, infer, publish, score, settle, slice  # noqa: A004 - its name
from service.pipeline.stage import Stage
from service.store import dues

if TYPE_CHECKING:
    from service.app import Service
    from service.store.dues import Connection, Due

STAGES = {
    "slice": slice.run,
    "publish": publish.run,
    "collect": collect.run,
    "score": score.run,
    "infer": infer.run,
    "decide": decide.run,
    "settle": settle.run,
    "deliver": deliver.run,
}
_LONGEST_WAIT = 60.0
_WIND_UP_SECONDS = 4.0
_ELSEWHERE = timedelta(seconds=1)  # what another process runs is tried again after so long, as that may die
_AT_ONCE = 8  # each holds a connection of the pool that the API draws on as well

log = structlog.get_logger(__name__)


class Engine:
    """Runs the pipeline of a service until it is told to stop."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._running: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._failures: dict[tuple[str, int], int] = {}
        self._elsewhere: dict[tuple[str, int], datetime] = {}  # stages that another process runs, and until when
        self._look = asyncio.Event()
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; stages that are running then end their step first."""
        async with self._doorbell():
            stopping = asyncio.create_task(stop.wait())
            stopping.add_done_callback(lambda _: self._look.set())
            try:
                while not stop.is_set():
                    self._look.clear()
                    wait = await self._start_what_is_due()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._look.wait(), wait)
            finally:
                stopping.cancel()
                await self._wind_up()

    async def _wind_up(self) -> None:
        """Let stages end that are about to; cut off the others, which is no worse than a kill."""
        running = set(self._running.values())
        if running:
            _, late = await asyncio.wait(running, timeout=_WIND_UP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def drain(self) -> int:
        """Run, one after the other, whatever is due now until nothing is; returns how many stages ran."""
        ran = 0
        while True:
            async with self.service.pool.acquire() as conn:
                ready = await dues.ready(conn, self.service.clock.now())
            if not ready:
                return ran
            for due in ready:
                ran += await self._run_stage(due.stage, due.subject, raising=True)

    async def _start_what_is_due(self) -> float:
        """Start tasks for what is due and not running here; returns how long there is nothing new to do, in seconds."""
        now = self.service.clock.now()
        wait: float = self.service.settings.pipeline.sweep_every
        try:
            async with self.service.pool.acquire() as conn:
                ready = await dues.ready(conn, now)
                following = await dues.next_at(conn, now)
        except Exception:
            log.exception("looking for what is due failed")
            return 1.0
        self._elsewhere = {key: until for key, until in self._elsewhere.items() if until > now}
        for due in ready:
            key = (due.stage, due.subject)
            if key not in self._running and key not in self._elsewhere:
                self._running[key] = asyncio.create_task(
                    self._run_and_look_again(*key), name=f"{due.stage} {due.subject}"
                )
        for at in (following, *self._elsewhere.values()):
            if at is not None:
                wait = min(wait, max(0.01, (at - now).total_seconds()))
        return wait

    async def _run_and_look_again(self, stage: str, subject: int) -> None:
        try:
            if not await self._run_stage(stage, subject):
                self._elsewhere[stage, subject] = self.service.clock.now() + _ELSEWHERE
        finally:
            del self._running[stage, subject]
            self._look.set()

    async def _run_stage(self, stage: str, subject: int, *, raising: bool = False) -> bool:
        """Run a stage on a subject if it is due and nobody else runs it; one that fails rests."""
        async with self._places, self.service.pool.acquire() as conn:
            due = await dues.claim(conn, stage, subject, self.service.clock.now())
            if due is None:
                return False
            try:
                with STAGE_SECONDS.labels(stage=stage).time():
                    await STAGES[stage](Stage(self.service, conn, due))
                self._failures.pop((stage, subject), None)
            except Exception as error:
                if raising:
                    raise
                await self._failed(conn, due, error)
            finally:
                with contextlib.suppress(Exception):  # a lost connection has lost its lock as well
                    await dues.release(conn, stage, subject)
        return True

    async def _failed(self, conn: Connection, due: Due, error: Exception) -> None:
        key = (due.stage, due.subject)
        STAGE_FAILURES.labels(stage=due.stage).inc()
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        wait = min(_LONGEST_WAIT, 0.5 * 2**failures)
        facts = {"stage": due.stage, "subject": due.subject, "failures": failures, "again_in": wait}
        if isinstance(error, MarketError):
            log.warning("a market did not do its part", error=str(error), **facts)
        else:
            log.error("a stage failed", exc_info=error, **facts)
        with contextlib.suppress(Exception):
            await dues.rest(conn, due, self.service.clock.now() + timedelta(seconds=wait))

    @contextlib.asynccontextmanager
    async def _doorbell(self) -> Any:
        """Look whenever somebody notifies; without the connection, the sweep looks all the same."""

        def ring(*_: object) -> None:
            self._look.set()

        conn = await self.service.pool.acquire()
        await conn.add_listener(dues.CHANNEL, ring)
        try:
            yield
        finally:
            with contextlib.suppress(Exception):
                await conn.remove_listener(dues.CHANNEL, ring)
            await self.service.pool.release(conn)
