"""The outbox: send effects that are due, and know of each whether it happened.

An effect is marked as being sent in a commit of its own before the call, and saved with all that follows from it in
another after. A process that dies in between leaves it in doubt, and it is sent again with the same token; what the
market then says of an earlier request counts as success. Nothing calls the market inside a transaction.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

import structlog

from service.markets import Market
from service.markets.market import Gone, MarketError, NotYet, OutOfFunds, Refused, Throttled, Unavailable
from service.metrics import EFFECTS
from service.pipeline import silence
from service.pipeline.alarm import alarm
from service.pipeline.stage import Stage
from service.store import briefs, dues, effects, events, pace
from service.store.briefs import Brief
from service.store.effects import CLOSING, Effect

Call = Callable[[Effect], Awaitable[Any]]

_BATCH = 64
_LARGEST = 256  # what a quick market gets at once: about a second's worth
_AT_ONCE = 2  # batches on their way: one is saved while the other is sent
_HANDED_OVER = 2  # calls for each connection: it finds the next without waiting for this loop
_LONGEST_WAIT = 120.0
_TOLD = (8, 64, 512)  # failed attempts after which a person should hear of it

log = structlog.get_logger(__name__)


class Sender(Protocol):
    """What makes some kinds of a job's effects happen on its market."""

    async def prepare(self, batch: Sequence[Effect]) -> Call | None:
        """Read what the calls of a batch need, and return what makes one; None where nothing can be sent now."""

    async def save(self, happened: Sequence[tuple[Effect, Any]], now: datetime) -> dict[str, datetime]:
        """Save what follows from the calls of a batch that succeeded, and what these returned.

        Returns which stages are due because of it.
        """


async def send_all(stage: Stage, kinds: Sequence[str], sender_of: Callable[[Stage, Market, Brief], Sender]) -> None:
    """Send what is due of a job, batch after batch, until nothing is; then finish the stage."""
    brief = await briefs.load(stage.conn, stage.due.subject)
    market = stage.service.markets[brief.market]
    outbox = Outbox(stage, market, brief.market_no, kinds, sender_of(stage, market, brief))
    try:
        while True:
            running = (await briefs.load(stage.conn, brief.job_no)).running
            batch = await outbox.load(running=running)
            if batch and await outbox.send(batch):
                continue
            if not await outbox.arrive(all_of_them=True) or batch:
                break
        following = await outbox.next_due(running=running)
    finally:
        outbox.let_go()
    async with stage.conn.transaction():
        then = {stage.due.stage: following} if following else None
        await dues.finish(stage.conn, stage.due, now=stage.clock.now(), then=then)


class _Batch(NamedTuple):
    effects: Sequence[Effect]
    sent_at: datetime
    outcomes: asyncio.Future[list[tuple[Effect, Any]]]


class Outbox:
    """Sends a job's effects of some kinds through its market, a few batches at a time."""

    def __init__(self, stage: Stage, market: Market, market_no: int, kinds: Sequence[str], sender: Sender) -> None:
        self.stage, self.market, self.market_no, self.kinds, self.sender = stage, market, market_no, kinds, sender
        self._in_flight = asyncio.Semaphore(_HANDED_OVER * stage.service.settings.pipeline.effects_in_flight)
        self._on_their_way: deque[_Batch] = deque()
        self._arrived_at: datetime | None = None
        self.not_before: datetime | None = None
        self._limit = _BATCH

    async def load(self, *, running: bool) -> list[Effect]:
        """Return the next effects to send, as many as the market's pace allows.

        Where it allows none now, `not_before` says when it will.
        """
        conn, job_no, now = self.stage.conn, self.stage.due.subject, self.stage.clock.now()
        sent = [effect.effect_no for batch in self._on_their_way for effect in batch.effects]
        batch = await effects.due(conn, job_no, self.kinds, now, running=running, limit=self._limit, but=sent)
        if not batch:
            return []
        granted, wait = await pace.take(conn, self.market_no, len(batch), now)
        if granted == 0:
            self.not_before = now + timedelta(seconds=wait)
        return batch[:granted]

    async def next_due(self, *, running: bool) -> datetime | None:
        """Return when to come back for more, if there is any more."""
        at = await effects.next_due(self.stage.conn, self.stage.due.subject, self.kinds, running=running)
        return at if at is None or self.not_before is None else max(at, self.not_before)

    async def send(self, batch: Sequence[Effect]) -> bool:
        """Send a batch, and save the one before while this is on its way; False where it cannot be sent now."""
        call = await self.sender.prepare(batch)
        if call is None:
            return False
        started = self.stage.clock.now()
        await effects.sending(self.stage.conn, batch, started)
        outcomes = asyncio.gather(*(self._outcome(effect, call) for effect in batch))
        self._on_their_way.append(_Batch(batch, started, outcomes))
        if len(self._on_their_way) == _AT_ONCE:
            await self.arrive()
        return True

    async def arrive(self, *, all_of_them: bool = False) -> bool:
        """Wait for the batch that was sent first, or for all, and save it; False where none was on its way."""
        arrived = 0
        while self._on_their_way and (all_of_them or not arrived):
            arrived += len(await self._on_their_way[0].outcomes)
            await self._save(self._on_their_way.popleft())
        return arrived > 0

    def let_go(self) -> None:
        """Wait no longer for what is on its way, if the stage has failed: it is in doubt, and sent again."""
        for batch in self._on_their_way:
            batch.outcomes.cancel()

    async def _save(self, batch: _Batch) -> None:
        """Save a batch that has arrived: what happened with all that follows, what did not for later."""
        stage, outcomes = self.stage, batch.outcomes.result()
        now = stage.clock.now()
        happened = [(effect, outcome) for effect, outcome in outcomes if not isinstance(outcome, MarketError)]
        failed = [(effect, outcome) for effect, outcome in outcomes if isinstance(outcome, MarketError)]
        async with stage.conn.transaction():
            running = await briefs.lock(stage.conn, stage.due.subject) == "running"
            then = await self.sender.save(happened, now)
            if happened:
                await effects.done(stage.conn, [effect for effect, _ in happened], now)
                await dues.want_all(stage.conn, stage.due.subject, then)
            for effect, error in failed:
                await self._failed(effect, error, now, running=running)
        since = max(batch.sent_at, self._arrived_at or batch.sent_at)
        seconds, self._arrived_at = max((now - since).total_seconds(), 0.001), now
        self._limit = max(_BATCH, min(_LARGEST, int(len(outcomes) / seconds)))
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
