"""The outbox: send effects that are due, and know of each whether it happened.

An effect is marked as being sent in a commit of its own before the call, and saved with all that follows from it in
another after. A process that dies in between leaves it in doubt, and it is sent again with the same token; what the
market then says of an earlier request counts as success. Nothing calls the market inside a transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from service.markets import Market
from service.markets.market import Gone, MarketError, NotYet, OutOfFunds, Refused, Throttled, Unavailable
from service.metrics import EFFECTS
from service.pipeline import silence
from service.pipeline.alarm import alarm
from service.pipeline.stage import Stage
from service.store import briefs, dues, effects, events, pace
from service.store.effects import CLOSING, Effect

Call = Callable[[Effect], Awaitable[Any]]
Save = Callable[[Sequence[tuple[Effect, Any]], datetime], Awaitable[dict[str, datetime]]]

_BATCH = 64
_LARGEST = 256  # what a quick market gets at once: about a second's worth, so that little waits for the slowest
_LONGEST_WAIT = 120.0
_TOLD = (8, 64, 512)  # failed attempts after which a person should hear of it

log = structlog.get_logger(__name__)


class Outbox:
    """Sends a job's effects of some kinds through its market, a batch at a time."""

    def __init__(self, stage: Stage, market: Market, market_no: int, kinds: Sequence[str]) -> None:
        self.stage, self.market, self.market_no, self.kinds = stage, market, market_no, kinds
        self._in_flight = asyncio.Semaphore(stage.service.settings.pipeline.effects_in_flight)
        self.not_before: datetime | None = None
        self._limit = _BATCH

    async def load(self, *, running: bool) -> list[Effect]:
        """Return the next effects to send, as many as the market's pace allows.

        Where it allows none now, `not_before` says when it will.
        """
        stage = self.stage
        now = stage.clock.now()
        batch = await effects.due(stage.conn, stage.due.subject, self.kinds, now, running=running, limit=self._limit)
        if not batch:
            return []
        granted, wait = await pace.take(stage.conn, self.market_no, len(batch), now)
        if granted == 0:
            self.not_before = now + timedelta(seconds=wait)
        return batch[:granted]

    async def next_due(self, *, running: bool) -> datetime | None:
        """Return when to come back for more, if there is any more."""
        at = await effects.next_due(self.stage.conn, self.stage.due.subject, self.kinds, running=running)
        return at if at is None or self.not_before is None else max(at, self.not_before)

    async def send(self, batch: Sequence[Effect], call: Call, save: Save) -> None:
        """Send a batch at once, then save it: what happened with all that follows, what did not for later."""
        stage = self.stage
        started = stage.clock.now()
        await effects.sending(stage.conn, batch, started)
        outcomes = await asyncio.gather(*(self._outcome(effect, call) for effect in batch))
        now = stage.clock.now()
        happened = [(effect, outcome) for effect, outcome in outcomes if not isinstance(outcome, MarketError)]
        failed = [(effect, outcome) for effect, outcome in outcomes if isinstance(outcome, MarketError)]
        async with stage.conn.transaction():
            running = await briefs.lock(stage.conn, stage.due.subject) == "running"
            if happened:
                then = await save(happened, now)
                await effects.done(stage.conn, [effect for effect, _ in happened], now)
                await dues.want_all(stage.conn, stage.due.subject, then)
            for effect, error in failed:
                await self._failed(effect, error, now, running=running)
        seconds = max((now - started).total_seconds(), 0.001)
        self._limit = max(_BATCH, min(_LARGEST, int(len(batch) / seconds)))
        await self._notice_silence([outcome for _, outcome in outcomes])
        await self._adjust_pace(outcomes, seconds, now)

    async def _outcome(self, effect: Effect, call: Call) -> tuple[Effect, Any]:
        async with self._in_flight:
            try:
                outcome = await call(effect)
            except MarketError as error:
                EFFECTS.labels(kind=effect.kind, outcome=type(error).__name__.lower()).inc()
                return effect, error
        EFFECTS.labels(kind=effect.kind, outcome="done").inc()
        return effect, outcome

    async def _failed(self, effect: Effect, error: MarketError, now: datetime, *, running: bool) -> None:
        """Park what can never succeed; try the rest later, and what closes a job that does not run however refused."""
        stage, job_no = self.stage, self.stage.due.subject
        if isinstance(error, Gone):
            await dues.want(stage.conn, "collect", self.market_no, now)  # which sees what came of it, and drops this
        elif isinstance(error, Refused) and (running or effect.kind not in CLOSING):
            await effects.park(stage.conn, effect, str(error))
            await alarm(stage, job_no, *_alarm_of(effect, error))
            return
        wait = min(_LONGEST_WAIT, (0.5 if isinstance(error, NotYet) else 0.25) * 2 ** min(effect.attempts, 10))
        await effects.later(stage.conn, effect, now + timedelta(seconds=wait), str(error))
        if effect.attempts + 1 in _TOLD and not isinstance(error, Unavailable):
            attempts = effect.attempts + 1
            message = f"{attempts} attempts to {effect.kind} {effect.about} have failed, and more follow: {error}"
            await events.record(stage.conn, job_no, now, "trouble", message)
        log.warning("an effect did not happen", kind=effect.kind, about=effect.about, again_in=wait, error=str(error))

    async def _notice_silence(self, outcomes: Sequence[Any]) -> None:
        """Hear a silent market by all of a batch, as an outage would else be told of once an effect."""
        failed = [one for one in outcomes if isinstance(one, Unavailable) and not isinstance(one, Throttled)]
        if len(failed) == len(outcomes):
            await silence.fallen(self.stage, self.market, self.market_no, failed[0])
        else:
            await silence.broken(self.stage, self.market, self.market_no)

    async def _adjust_pace(self, outcomes: Sequence[tuple[Effect, Any]], seconds: float, now: datetime) -> None:
        conn, settings = self.stage.conn, self.stage.service.settings.markets[self.market.name]
        if any(isinstance(outcome, Throttled) for _, outcome in outcomes):
            await pace.throttled(conn, self.market_no, max(1.0, len(outcomes) / seconds), now)
        else:
            await pace.succeeded(conn, self.market_no, len(outcomes), settings.ceiling_rate)


def _alarm_of(effect: Effect, error: Refused) -> tuple[str, str]:
    """Return the kind of an alarm and what it says: what could not be done, why, and what to do about it."""
    what = f"{effect.kind} {effect.about}"
    if isinstance(error, OutOfFunds):
        return "funds", f"the market account has not the money to {what}: deposit some, then resume: {error}"
    return "refused", f"the market refused to {what}: mend what it names, then resume, or cancel: {error}"
