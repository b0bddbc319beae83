"""The alarm: what pauses a job until a person has done something."""

from __future__ import annotations

from service.pipeline.stage import Stage
from service.store import decisions, dues, events


async def alarm(stage: Stage, job_no: int, kind: str, message: str) -> None:
    """Pause a job and say why, in the caller's transaction; what is on its way still comes in and is paid."""
    now = stage.clock.now()
    paused = await decisions.pause(stage.conn, job_no, message)
    await events.record(stage.conn, job_no, now, kind, f"paused: {message}" if paused else message)
    await dues.want(stage.conn, "decide", job_no, now)  # which takes a paused job's HITs from the workers' view
