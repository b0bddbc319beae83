"""Deliver: a job whose items are settled, whose work is paid and whose HITs are closed is done."""

from __future__ import annotations

from service.pipeline.decide import ENDS
from service.pipeline.stage import Stage
from service.store import briefs, decisions, dues, events


async def run(stage: Stage) -> None:
    """End the job. Its labels have been there to read all along.

    From now on a correction of gold changes them, and an answer that comes late all the same.
    """
    conn, job_no, now = stage.conn, stage.due.subject, stage.clock.now()
    async with conn.transaction():
        state = await briefs.lock(conn, job_no)
        if state in ENDS and await decisions.end(conn, job_no, was=state, becomes=ENDS[state], now=now):
            await events.record(conn, job_no, now, ENDS[state], f"the job is {ENDS[state]}")
        await dues.finish(conn, stage.due, now=now)
