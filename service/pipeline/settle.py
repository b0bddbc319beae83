"""Settle: pay for work that was handed in, and close HITs of which nothing more can come. Through the outbox."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from service.markets import Market
from service.markets.market import Gone, Refused, RejectedElsewhere
from service.pipeline.outbox import Outbox
from service.pipeline.stage import Stage
from service.store import assignments, briefs, dues, events, hits, money
from service.store.effects import Effect

KINDS = ("approve", "delete")


async def run(stage: Stage) -> None:
    """Send what is due, batch after batch, until nothing is."""
    outbox: Outbox | None = None
    while True:
        brief = await briefs.load(stage.conn, stage.due.subject)
        market = stage.service.markets[brief.market]
        outbox = outbox or Outbox(stage, market, brief.market_no, KINDS)
        batch = await outbox.load(running=brief.running)
        if not batch:
            break
        payer = Payer(stage, market)
        payer.hits = await hits.to_post(
            stage.conn, brief.job_no, [effect.hit_no for effect in batch if effect.hit_no is not None]
        )
        await outbox.send(batch, payer.call, payer.save)
    following = await outbox.next_due(running=brief.running)
    async with stage.conn.transaction():
        then = {"settle": following} if following else None
        await dues.finish(stage.conn, stage.due, now=stage.clock.now(), then=then)


class Payer:
    """Approves assignments and deletes HITs of one job."""

    def __init__(self, stage: Stage, market: Market) -> None:
        self.stage, self.market = stage, market
        self.hits: dict[int, tuple[str | None, int]] = {}

    async def call(self, effect: Effect) -> str | None:
        """Make one effect happen on the market; returns the state of the assignment that it was about."""
        if effect.kind == "approve":
            try:
                await self.market.approve(effect.detail["market_assignment_id"])
            except RejectedElsewhere:
                return "rejected"
            except Gone:
                return "gone"
            return "approved"
        market_hit_id, _ = self.hits[effect.hit_no or 0]
        if market_hit_id is None:
            raise Refused(f"HIT {effect.hit_no} is not on the market")
        await self.market.delete_hit(market_hit_id)
        return None

    async def save(self, happened: Sequence[tuple[Effect, Any]], now: datetime) -> dict[str, datetime]:
        """Save what was paid and closed."""
        conn, job_no = self.stage.conn, self.stage.due.subject
        then = {"decide": now + timedelta(seconds=self.stage.service.settings.pipeline.infer_debounce)}
        decided = {effect.assignment_no: state for effect, state in happened if effect.assignment_no is not None}
        # What is no longer on the market was reviewed there first, or approved itself: nothing is rejected unasked.
        paid = [number for number, state in decided.items() if state in ("approved", "gone")]
        gone = [number for number, state in decided.items() if state == "gone"]
        rejected = [number for number, state in decided.items() if state == "rejected"]
        if paid:
            await money.spend(conn, job_no, paid, now)
            await assignments.reviewed(conn, job_no, paid, "approved", now)
        if rejected:  # their answers carry no weight from now on
            await assignments.reviewed(conn, job_no, rejected, "rejected", now)
            then |= {"infer": now, "score": now}
        if gone:
            message = f"{len(gone)} assignments are no longer on the market, and are taken for paid: {gone[:20]}"
            await events.record(conn, job_no, now, "gone", message, {"assignments": gone})
        closed = [effect.hit_no for effect, _ in happened if effect.kind == "delete" and effect.hit_no is not None]
        if closed:
            await hits.close(conn, job_no, closed, now)
            await money.release(conn, job_no, closed, now)
        return then
