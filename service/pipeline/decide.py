"""Decide: settle items, ask for more answers, and bring HITs to where the job's state wants them.

The only loop of the pipeline: what it wants changes the market, and what the market then says comes back here.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

from service.pipeline import surplus
from service.pipeline.stage import Stage
from service.spec import MANY_ASSIGNMENTS
from service.store import briefs, decisions, dues, effects, hits, money
from service.store.decisions import HitState, ItemState, JobState
from service.store.effects import Wanted

ENDS = {"running": "done", "cancelling": "cancelled"}


class Decision(Struct, frozen=True):
    """What is to change.

    settle: (item_no, by); replace: (hit_no, slots to add, cents they may cost); widen: (hit_no, wanted); drop: HITs
    never to be posted; close: HITs that are gone from the market, and all that came of them is paid; bar, admit:
    workers.
    """

    settle: tuple[tuple[int, str], ...] = ()
    replace: tuple[tuple[int, int, int], ...] = ()
    widen: tuple[tuple[int, int], ...] = ()
    expire: tuple[int, ...] = ()
    renew: tuple[int, ...] = ()
    delete: tuple[int, ...] = ()
    drop: tuple[int, ...] = ()
    close: tuple[int, ...] = ()
    bar: tuple[int, ...] = ()
    admit: tuple[int, ...] = ()
    score: bool = False
    infer: bool = False
    deliver: bool = False

    def hits(self) -> set[int]:
        """Name the HITs that something is decided about."""
        widened, replaced = [hit_no for hit_no, _ in self.widen], [hit_no for hit_no, _, _ in self.replace]
        return {*widened, *replaced, *self.expire, *self.renew, *self.delete, *self.drop, *self.close}

    def but(self, hits: Container[int]) -> Decision:
        """Leave some HITs as they are."""

        def others(decided: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(hit_no for hit_no in decided if hit_no not in hits)

        return msgspec.structs.replace(
            self,
            replace=tuple(one for one in self.replace if one[0] not in hits),
            widen=tuple(one for one in self.widen if one[0] not in hits),
            expire=others(self.expire),
            renew=others(self.renew),
            delete=others(self.delete),
            drop=others(self.drop),
            close=others(self.close),
        )


def decide(
    job: JobState,
    hit_states: Sequence[HitState],
    items: Sequence[ItemState],
    out_of_step: Sequence[tuple[int, bool]] = (),
) -> Decision:
    """Decide about a job from what is stored of it.

    An item is settled once its confidence reaches the target with at least the minimum of answers, at its maximum
    anyway, and where its HIT has no slot left to ask with. A HIT with an unsettled item and no answer outstanding is
    extended by one; assignments that carry no weight are replaced, once each, while the budget holds it. A HIT that
    nobody needs any more is expired; when what was accepted has come and is paid, deleted. One that is gone from the
    market is closed once what came of it is paid and counted; its items are sliced again.
    """
    settled: list[tuple[int, str]] = []
    of_hit: dict[int, list[ItemState]] = {}
    for item in items:
        by = _settled_by(item)
        if by is None:
            of_hit.setdefault(item.hit_no, []).append(item)
        else:
            settled.append((item.item_no, by))
    wanted: dict[str, list[int]] = {kind: [] for kind in ("extend", "expire", "renew", "delete", "drop", "close")}
    widen, replace, free_cents = [], [], job.free_cents
    for hit in hit_states:
        left = of_hit.get(hit.hit_no, [])
        if _exhausted(hit, left, job.state):
            more = _replaceable(hit, free_cents)
            if more:
                free_cents -= more * hit.unit_cents
                replace.append((hit.hit_no, more, more * hit.unit_cents))
                widen.append((hit.hit_no, _one_more(hit)))
                continue
            settled += [(item.item_no, "maximum") for item in left]
            left = []
        kind = _wanted_of(hit, left, job.state)
        if kind == "extend":
            widen.append((hit.hit_no, _one_more(hit)))
        elif kind is not None:
            wanted[kind].append(hit.hit_no)
    gate = job.state == "running" and bool(hit_states)
    everything_over = not hit_states and job.open_effects == 0 and job.state in ENDS
    finished = everything_over and (job.state == "cancelling" or job.open_items == len(settled))
    # Which answers count is settled before the labels are: the closing run comes after the last scoring.
    needs_score = finished and job.state == "running" and not job.scored
    runs = finished and job.state == "running" and job.has_answers and not needs_score
    needs_run = runs and not (job.closing_run and job.inferred)
    return Decision(
        settle=tuple(settled),
        replace=tuple(replace),
        bar=tuple(worker_no for worker_no, bar in out_of_step if bar and gate),
        admit=tuple(worker_no for worker_no, bar in out_of_step if not bar and gate),
        widen=tuple(widen),
        expire=tuple(wanted["expire"]),
        renew=tuple(wanted["renew"]),
        delete=tuple(wanted["delete"]),
        drop=tuple(wanted["drop"]),
        close=tuple(wanted["close"]),
        score=needs_score,
        infer=needs_run,
        deliver=finished and not needs_score and not needs_run and not settled,
    )


def _exhausted(hit: HitState, left: Sequence[ItemState], job_state: str) -> bool:
    """Tell whether a HIT has no slot left to ask about its unsettled items with, and every answer has been counted."""
    full = hit.state != "gone" and hit.collected >= hit.slots
    return job_state == "running" and not hit.busy and bool(left) and full and all(item.fresh for item in left)


def _one_more(hit: HitState) -> int:
    """Return what a HIT that has no place left is extended to: others may have extended it before."""
    return max(hit.wanted, hit.collected) + 1


def _replaceable(hit: HitState, free_cents: int) -> int:
    """Return how many slots a HIT may get in place of assignments without weight: the fee's cliff is never crossed."""
    if hit.collected > hit.slots:
        return 0  # what came is not all reserved for yet
    most = MANY_ASSIGNMENTS - 1 - hit.slots if hit.slots < MANY_ASSIGNMENTS else hit.lost
    affordable = free_cents // hit.unit_cents if hit.unit_cents else hit.lost
    return max(0, min(hit.lost - hit.replaced, most, affordable))


def _wanted_of(hit: HitState, left: Sequence[ItemState], job_state: str) -> str | None:
    """Return the effect that brings a HIT to where its job and its unsettled items want it, or None."""
    if hit.state == "planned":
        return "drop" if job_state == "cancelling" or not left else None
    if hit.state == "gone":
        counted = job_state == "cancelling" or all(item.fresh for item in left)
        return "close" if hit.reviewed == hit.collected and counted else None
    return None if hit.busy else _wanted_on_market(hit, left, job_state)


def _wanted_on_market(hit: HitState, left: Sequence[ItemState], job_state: str) -> str | None:
    full = hit.collected >= max(hit.wanted, hit.offered)
    if job_state == "running" and left:
        if hit.state == "shut" or (hit.expired and not full):
            return "renew"
        may_extend = full and _one_more(hit) <= hit.slots and all(item.fresh for item in left)
        return "extend" if may_extend else None
    if hit.state == "open" and not full:
        return "expire"
    # Nothing can come of it any more, and all that came is paid. A paused job's unsettled items may still want it.
    nothing_pending = full or (hit.listed and hit.pending == 0)
    over = nothing_pending and hit.reviewed == hit.collected and (not left or job_state == "cancelling")
    return "delete" if over else None


def _settled_by(item: ItemState) -> str | None:
    if not item.fresh or item.n_answers == 0:
        return None
    if item.n_answers >= item.maximum:
        return "maximum"
    if item.n_answers >= item.minimum and item.confidence is not None and item.confidence >= item.target:
        return "target"
    return None


async def run(stage: Stage) -> None:
    """Load, decide, save."""
    job_no, now = stage.due.subject, stage.clock.now()
    async with stage.conn.transaction():
        state = await briefs.lock(stage.conn, job_no)
        if state not in ENDS or await surplus.take_in(stage, job_no, state):
            await effects.unpark(stage.conn, job_no, state, now)
        if state == "cancelling":
            await effects.drop_more_work(stage.conn, job_no, now)
    job, hit_states, items, out_of_step = await decisions.load(stage.conn, job_no, now)
    decision = decide(job, hit_states, items, out_of_step)
    touched = decision.hits()
    seen = {hit.hit_no: hit.state for hit in hit_states if hit.hit_no in touched}
    async with stage.conn.transaction():
        await _save(stage, job, decision, seen, now)


async def _save(stage: Stage, job: JobState, decision: Decision, seen: Mapping[int, str], now: datetime) -> None:
    conn, job_no = stage.conn, stage.due.subject
    if await briefs.lock(conn, job_no) != job.state:
        return  # somebody paused, resumed or cancelled it meanwhile, and wants us again
    moved = await hits.moved(conn, job_no, seen)  # as a sweep may have found them gone meanwhile
    decision = decision.but(moved)
    await decisions.settle(conn, job_no, decision.settle, now)
    if decision.replace:
        await money.reserve(conn, job_no, [(hit_no, cents) for hit_no, _, cents in decision.replace], now)
        await hits.replace(conn, job_no, [(hit_no, more) for hit_no, more, _ in decision.replace])
    await hits.widen(conn, job_no, decision.widen)
    wanted = [Wanted("extend", hit_no, detail={"to": to}) for hit_no, to in decision.widen]
    wanted += [Wanted("expire", hit_no) for hit_no in decision.expire]
    wanted += [Wanted("renew", hit_no) for hit_no in decision.renew]
    wanted += [Wanted("delete", hit_no) for hit_no in decision.delete]
    wanted += [Wanted("bar", worker_no=worker_no) for worker_no in decision.bar]
    wanted += [Wanted("admit", worker_no=worker_no) for worker_no in decision.admit]
    await effects.write(conn, job_no, job.job_id, wanted, now)
    dropped = await effects.drop_creations(conn, job_no, decision.drop, now) if decision.drop else []
    if dropped:
        await money.release(conn, job_no, await hits.close(conn, job_no, dropped, now), now)
    if decision.close:
        await hits.let_go(conn, job_no, decision.close)
        await money.release(conn, job_no, await hits.close(conn, job_no, decision.close, now), now)
    then: dict[str, datetime] = {"slice": now} if decision.close else {}
    if wanted or job.open_effects:
        then |= {"publish": now, "settle": now}
    for stage_name, closes in (("score", decision.score), ("infer", decision.infer)):
        if closes:  # nothing more comes in that a rest would save runs for
            then[stage_name] = now
            await dues.wake(conn, stage_name, job_no)
    if decision.deliver:
        then["deliver"] = now
    if decision.settle or dropped or decision.close or moved:
        then["decide"] = now  # what was settled or dropped just now may have been the last
    await dues.finish(conn, stage.due, now=now, then=then)
