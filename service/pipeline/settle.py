"""Settle: pay for work that was handed in, and close HITs of which nothing more can come. Through the outbox."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from service.markets import Market
from service.markets.market import Gone, Refused, RejectedElsewhere
from service.pipeline.outbox import Call, send_all
from service.pipeline.stage import Stage
from service.store import assignments, events, hits, money
from service.store.briefs import Brief
from service.store.effects import Effect

KINDS = ("approve", "delete")


async def run(stage: Stage) -> None:
    """Send what is due, batch after batch, until nothing is."""
    await send_all(stage, KINDS, Payer)


class Payer:
    """Approves assignments and deletes HITs of one job."""

    def __init__(self, stage: Stage, market: Market, brief: Brief) -> None:
        self.stage, self.market, self.brief = stage, market, brief

    async def prepare(self, batch: Sequence[Effect]) -> Call:
        """Read what the calls of a batch need."""
        hit_nos = [effect.hit_no for effect in batch if effect.kind == "delete" and effect.hit_no is not None]
        posted = await hits.to_post(self.stage.conn, self.brief.job_no, hit_nos) if hit_nos else {}

        async def call(effect: Effect) -> str | None:
            if effect.kind == "approve":
                return await self._approve(effect)
            market_hit_id, _ = posted[effect.hit_no or 0]
            if market_hit_id is None:
                raise Refused(f"HIT {effect.hit_no} is not on the market")
            await self.market.delete_hit(market_hit_id)
            return None

        return call

    async def _approve(self, effect: Effect) -> str:
        """Approve an assignment; returns its state."""
        try:
            await self.market.approve(effect.detail["market_assignment_id"])
        except RejectedElsewhere:
            return "rejected"
        except Gone:
            return "gone"
        return "approved"

    async def save(self, happened: Sequence[tuple[Effect, Any]], now: datetime) -> dict[str, datetime]:
        """Save what was paid and closed."""
        conn, job_no = self.stage.conn, self.brief.job_no
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
            await money.release(conn, job_no, await hits.close(conn, job_no, closed, now), now)
        return then
