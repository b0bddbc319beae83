"""Publish: what workers can see, and who. Posts, extends, expires and renews HITs, bars and admits workers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from service.markets import Market
from service.markets.market import HitProperties, HitRequest, ListedHit, Refused, Unavailable
from service.pipeline.alarm import alarm
from service.pipeline.outbox import Call, send_all
from service.pipeline.silence import noticed
from service.pipeline.stage import Stage
from service.spec import Requirement, Spec, read_spec
from service.store import dues, gates, hit_types, hits
from service.store.briefs import Brief
from service.store.effects import Effect
from service.workpage.choice import question_xml

_GATE_DESCRIPTION = "Kept by the requester for one job; it is given to nobody who asks."

_PATIENCE = 4  # debounces
KINDS = ("create", "extend", "expire", "renew", "bar", "admit")


async def run(stage: Stage) -> None:
    """Send what is due, batch after batch, until nothing is."""
    await send_all(stage, KINDS, Publisher)


class Publisher:
    """Posts and changes the HITs of one job."""

    def __init__(self, stage: Stage, market: Market, brief: Brief) -> None:
        self.stage, self.market, self.brief = stage, market, brief
        self.spec: Spec = read_spec(brief.spec)
        self._hit_type: str | None = None
        self._stale_hit_type: str | None = None
        self._gate: str | None = None

    async def prepare(self, batch: Sequence[Effect]) -> Call | None:
        """Read what the calls of a batch need; None where the market refused the HIT type and the job is paused."""
        conn, job_no = self.stage.conn, self.brief.job_no
        creations = [effect.hit_no for effect in batch if effect.kind == "create" and effect.hit_no is not None]
        contents = await hits.contents(conn, job_no, creations) if creations else {}
        hit_nos = [effect.hit_no for effect in batch if effect.hit_no is not None]
        posted = await hits.to_post(conn, job_no, hit_nos)
        worker_nos = [effect.worker_no for effect in batch if effect.worker_no is not None]
        workers = await gates.market_workers(conn, job_no, worker_nos) if worker_nos else {}
        if self._gate is None:
            self._gate = await gates.find(conn, job_no)
        if creations and not await self._know_hit_type():
            return None
        hit_type = self._hit_type or ""

        async def call(effect: Effect) -> ListedHit | datetime | None:
            if effect.worker_no is not None:
                await self._let(workers[effect.worker_no], out=effect.kind == "bar")
                return None
            hit_no = effect.hit_no or 0
            market_hit_id, wanted = posted[hit_no]
            if effect.kind == "create":
                return await self._create(effect, hit_type, contents[hit_no], wanted)
            if market_hit_id is None:
                raise Refused(f"HIT {hit_no} is not on the market")
            return await self._change(effect, market_hit_id)

        return call

    async def _change(self, effect: Effect, market_hit_id: str) -> datetime | None:
        if effect.kind == "extend":
            await self.market.extend_hit(market_hit_id, to=effect.detail["to"], token=effect.token)
        elif effect.kind == "expire":
            await self.market.expire_hit(market_hit_id)
        else:
            until = self.stage.clock.now() + timedelta(seconds=self.spec.times.lifetime)
            await self.market.renew_hit(market_hit_id, until)
            return until
        return None

    async def _let(self, worker: str, *, out: bool) -> None:
        change = self.market.give_qualification if out else self.market.take_qualification
        await change(self._gate or "", worker)

    async def _create(
        self, effect: Effect, hit_type: str, payloads: Sequence[Mapping[str, Any]], wanted: int
    ) -> ListedHit:
        try:
            return await self.market.create_hit(
                HitRequest(
                    hit_type_id=hit_type,
                    question=question_xml(self.spec, payloads),
                    lifetime_seconds=self.spec.times.lifetime,
                    max_assignments=wanted,
                    annotation=f"{self.brief.job_id}/{effect.hit_no}",
                    token=effect.token,
                ),
                in_doubt_since=effect.in_doubt_since,
            )
        except Refused as error:
            if error.code != "hittypedoesnotexist":
                raise
            self._stale_hit_type = hit_type
            raise Unavailable(f"{error}; it will be made again") from None

    async def save(self, happened: Sequence[tuple[Effect, Any]], now: datetime) -> dict[str, datetime]:
        """Save what the market did, and what is due because of it."""
        conn, job_no = self.stage.conn, self.brief.job_no
        if self._hit_type is not None and self._hit_type == self._stale_hit_type:
            # The market no longer knows it, as where another market took the old one's name.
            await hit_types.forget(conn, self.brief.market_no, self._properties_hash())
            self._hit_type = None
        if not happened:
            return {}
        posted = [
            (e.hit_no, hit.market_hit_id, hit.expires_at)
            for e, hit in happened
            if e.kind == "create" and e.hit_no is not None
        ]
        await hits.posted(conn, job_no, posted, now)
        expired = [e.hit_no for e, _ in happened if e.kind == "expire" and e.hit_no is not None]
        await hits.shut(conn, job_no, expired, now)
        for effect, until in happened:
            if effect.kind == "renew" and effect.hit_no is not None:
                await hits.reopened(conn, job_no, effect.hit_no, until)
        for kind, barred in (("bar", True), ("admit", False)):
            workers = [e.worker_no for e, _ in happened if e.kind == kind and e.worker_no is not None]
            await gates.known(conn, job_no, workers, barred=barred)
        pipeline = self.stage.service.settings.pipeline
        await dues.want(conn, "collect", self.brief.market_no, now + timedelta(seconds=pipeline.collect_every))
        # A job that was paused or cancelled meanwhile has HITs to expire. Nothing else is to be decided of new ones.
        debounces = _PATIENCE if all(effect.kind == "create" for effect, _ in happened) else 1
        return {"decide": now + timedelta(seconds=debounces * pipeline.infer_debounce)}

    async def _know_hit_type(self) -> bool:
        """Know the HIT type, or pause the job where the market refuses it."""
        conn, market_no = self.stage.conn, self.brief.market_no
        if self._hit_type is None:
            try:
                async with noticed(self.stage, self.market, market_no):
                    self._hit_type = await self._find_hit_type()
            except Refused as error:
                async with conn.transaction():
                    message = (
                        f"the market refused the job's HIT type: mend what it names, then resume, or cancel: {error}"
                    )
                    await alarm(self.stage, self.brief.job_no, "refused", message)
                return False
        return True

    async def _find_hit_type(self) -> str:
        conn, market_no = self.stage.conn, self.brief.market_no
        if self.spec.trust.gate and self._gate is None:
            job_id = self.brief.job_id
            self._gate = await self.market.qualification(f"Workforce of {job_id}", _GATE_DESCRIPTION)
            await gates.keep(conn, self.brief.job_no, self._gate)
        properties_hash = self._properties_hash()
        known = await hit_types.find(conn, market_no, properties_hash)
        if known is None:
            known = await self.market.hit_type(self._properties())
            await hit_types.keep(conn, market_no, properties_hash, known, self.stage.clock.now())
        return known

    def _properties_hash(self) -> bytes:
        return hashlib.sha256(msgspec.json.encode(self._properties())).digest()

    def _properties(self) -> HitProperties:
        return hit_properties(self.spec, self._gate)


def hit_properties(spec: Spec, gate: str | None = None) -> HitProperties:
    """Return what workers see a job's HITs grouped by; who has the gate's qualification does not see them."""
    kept_out = () if gate is None else (Requirement(gate, "DoesNotExist", guards="discover"),)
    return HitProperties(
        title=(spec.title or spec.name)[:128],
        description=spec.description or spec.task.question,
        keywords=", ".join(spec.keywords),
        reward_cents=spec.reward_cents,
        assignment_seconds=spec.times.assignment,
        auto_approval_seconds=spec.times.auto_approval,
        requirements=(*spec.requirements, *kept_out),
    )
