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
from service.pipeline.stage import Stage
from service.spec import read_spec
from service.store import answer_arrays, briefs, dues, earlier, events, runs, scores, trust
from service.store.answer_arrays import Facts
from service.store.trust import Standing, Verdict

_REST = 4.0  # the next scoring rests for so many times the length of this one, as runs do
_SHOWN = 5  # workers named in an event
_ENDED = {"done", "cancelled"}


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
        past = await earlier.load(conn, job_no) if spec.trust.earlier else []
    if not facts.item.size:
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
    rest = max(stage.service.settings.pipeline.infer_debounce, _REST * (now - started).total_seconds())
    async with conn.transaction():
        state = await briefs.lock(conn, job_no)
        changed = await _save(stage, judged, verdicts(judged, facts), before, now, ended=state in _ENDED)
        then = {"decide": now, "infer": now} if changed else {"decide": now} if job.closing else {}
        await dues.finish(conn, stage.due, now=now, then=then)
        await dues.postpone(conn, stage.due, now + timedelta(seconds=rest))


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
    stage: Stage, judged: Judged, found: Sequence[Verdict], before: Sequence[Standing], now: datetime, *, ended: bool
) -> bool:
    """Save the numbers of all, and the states that changed; tell whether any answer's weight did.

    The labels of a job that is over stand, and so does what was believed of its workers when they were closed.
    """
    conn, job_no = stage.conn, stage.due.subject
    workers = list(range(len(found)))
    await scores.save(conn, job_no, workers, judged.gold.right.tolist(), judged.gold.total.tolist())
    await trust.keep_numbers(conn, job_no, found)
    if ended:
        return False
    # A person may have said something since the facts were read: then the stage is wanted again, and judges by it.
    standing = {one.worker_no: one for one in await trust.standings(conn, job_no)}
    words_before = {one.worker_no for one in before if one.by == "person"}
    free = [one for one in found if standing[one.worker_no].by == "policy" and one.worker_no not in words_before]
    turned = [one for one in free if standing[one.worker_no].state != one.state]
    await trust.change(conn, job_no, turned, now)
    gone = [one for one in turned if one.state == "suspended"]
    back = [one for one in turned if standing[one.worker_no].state == "suspended"]
    for workers_turned, what in ((gone, "suspended"), (back, "no longer suspended")):
        if workers_turned:
            await events.record(conn, job_no, now, "trust", _told(len(workers_turned), what, workers_turned[0].reason))
    moved = await trust.void_from(conn, job_no, [one for one in free if one.void_assignment_no is not None])
    return bool(gone or back or moved)


def _told(count: int, what: str, reason: str) -> str:
    who = "1 worker is" if count == 1 else f"{count} workers are"
    return f"{who} {what} by the policy; each one's trust says why. The first: {reason}"
