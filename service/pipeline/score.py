"""Score: what gold, the others' answers and earlier jobs say of each worker, and what follows from it.

Everybody is judged afresh from the facts: a gold item that was corrected leaves no trace. What a person said of a
worker stands above it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from gold.standing import STATES
from service import judging
from service.case import Case
from service.judging import Judged
from service.lifecycle import OVER
from service.pipeline.stage import Stage
from service.spec import read_spec
from service.store import answer_arrays, briefs, dues, earlier, events, runs, scores, trust
from service.store.answer_arrays import Facts
from service.store.trust import Standing, Verdict

_REST = 8.0  # the next scoring rests for so many times the length of this one
_FEW = 6  # workers, of whom a half says something


async def run(stage: Stage) -> None:
    """Load all facts, judge beside the event loop, save what changed."""
    conn, job_no = stage.conn, stage.due.subject
    started = stage.clock.now()
    spec = read_spec((await briefs.load(conn, job_no)).spec)
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        job = await runs.load_job(conn, job_no)
        facts = await answer_arrays.load_facts(conn, job_no)
        mask = await answer_arrays.gold_mask(conn, job_no, job.n_items, job.n_labels)
        before = await trust.standings(conn, job_no)
        corrections, anew = await trust.corrections(conn, job_no)
        past = await earlier.load(conn, job_no) if spec.trust.earlier else []
    if not facts.item.size:
        async with conn.transaction():
            await briefs.lock(conn, job_no)
            await trust.judged(conn, job_no, corrections)
            await dues.finish(conn, stage.due, now=started)
        return
    said = np.full(job.n_workers, -1)
    for one in before:
        if one.by == "person":
            said[one.worker_no] = STATES.index(one.state)
    names = {one.worker_no: one.worker_id for one in before}
    judged = await asyncio.to_thread(
        judging.judge,
        Case.of(facts, mask, spec.task.labels, names, job.n_workers, past),
        spec.trust,
        said,
    )
    now = stage.clock.now()
    async with conn.transaction():
        state = await briefs.lock(conn, job_no)
        found = verdicts(judged, facts)
        ended = state in OVER
        changed = await _save(stage, judged, found, before, now, stand=ended and not anew)
        await trust.judged(conn, job_no, corrections)
        if ended:  # labels follow corrected gold, whether or not anybody's state does
            then = {"infer": now} if anew else {}
        else:
            then = {"decide": now, "infer": now} if changed else {"decide": now} if job.closing else {}
        if spec.trust.rest and not job.closing and not ended:
            then |= await _rest(stage, judged, facts, timedelta(seconds=spec.trust.rest_patience), now)
        await dues.finish(conn, stage.due, now=now, then=then)
        await dues.rest(conn, stage.due, now + _REST * (now - started))


def verdicts(judged: Judged, facts: Facts) -> list[Verdict]:
    """Return what the policy has each worker be, with what is needed to store it."""
    assignment, slot = facts.assignment.tolist(), facts.slot.tolist()
    return [
        Verdict(
            worker_no,
            state,
            reason,
            evidence,
            void_assignment_no=None if row < 0 else assignment[row],
            void_slot=0 if row < 0 else slot[row],
        )
        for worker_no, (state, reason, evidence, row) in enumerate(
            zip(judged.state, judged.reason, judged.evidence, judged.void_from.tolist(), strict=True)
        )
    ]


async def _save(
    stage: Stage, judged: Judged, found: Sequence[Verdict], before: Sequence[Standing], now: datetime, *, stand: bool
) -> bool:
    """Save the numbers of all, and the states that changed; tell whether any answer's weight did.

    Parameters
    ----------
    stand : bool
        States stay as they are: the job is over, and its gold is what they were judged by. What comes late changes
        neither them nor labels.
    """
    conn, job_no = stage.conn, stage.due.subject
    workers = list(range(len(found)))
    await scores.save(conn, job_no, workers, judged.gold.right.tolist(), judged.gold.total.tolist())
    await trust.keep_numbers(conn, job_no, found)
    if stand:
        return False
    # A person may have said something since the facts were read: then the stage is wanted again, and judges by it.
    standing = {one.worker_no: one for one in await trust.standings(conn, job_no)}
    words = {one.worker_no for one in before if one.by == "person"}
    words |= {one.worker_no for one in standing.values() if one.by == "person"}
    free = [one for one in found if one.worker_no in standing.keys() - words]
    turned = [one for one in free if standing[one.worker_no].state != one.state]
    await trust.change(conn, job_no, turned, now)
    gone = [one for one in turned if one.state == "suspended"]
    back = [one for one in turned if standing[one.worker_no].state == "suspended"]
    for workers_turned, what in ((gone, "suspended"), (back, "no longer suspended")):
        if workers_turned:
            await events.record(conn, job_no, now, "trust", _told(len(workers_turned), what, workers_turned[0].reason))
    if gone:
        await _doubt_the_gold(stage, found, now)
    moved = await trust.void_from(conn, job_no, [one for one in free if one.void_assignment_no is not None], now)
    return bool(gone or back or moved)


async def _rest(stage: Stage, judged: Judged, facts: Facts, patience: timedelta, now: datetime) -> dict[str, datetime]:
    """Let workers rest who tell less than others, until nothing has come in for a while; returns what is due then.

    They are called back for good: whoever is left has shown that they do not do the work alone.
    """
    conn, job_no = stage.conn, stage.due.subject
    came = np.append(facts.submitted, _microseconds(now))
    alone = bool(np.diff(came).max() < patience / timedelta(microseconds=1))
    sent, called = await trust.rest(conn, job_no, np.flatnonzero(judged.resting & alone).tolist())
    if sent or called:
        message = f"workers sent to rest, as others tell more by their answers: {sent}; called back: {called}"
        await events.record(conn, job_no, now, "rest", message)
    again = {"score": now + patience} if alone and judged.resting.any() else {}
    return again | ({"decide": now} if sent or called else {})


async def _doubt_the_gold(stage: Stage, found: Sequence[Verdict], now: datetime) -> None:
    """Say where so many are suspended that gold or guidelines are the likelier cause."""
    judged = [one for one in found if one.evidence["gold"]["total"]]
    suspended = sum(one.state == "suspended" for one in judged)
    if len(judged) >= _FEW and suspended > len(judged) / 2:
        message = (
            f"{suspended} of {len(judged)} workers who met gold are suspended, more than clickers explain in most "
            "crowds: look at the gold and the guidelines, and pause the job meanwhile"
        )
        await events.record(stage.conn, stage.due.subject, now, "doubt", message)


def _microseconds(at: datetime) -> int:
    return round((at - answer_arrays.BEGINNING) / timedelta(microseconds=1))


def _told(count: int, what: str, reason: str) -> str:
    who = "1 worker is" if count == 1 else f"{count} workers are"
    return f"{who} {what} by the policy; each one's trust says why. The first: {reason}"
