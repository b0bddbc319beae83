"""Take a job through its states: launch, pause, resume, cancel. Each is one transaction on the locked job row."""

from __future__ import annotations

from datetime import datetime

from litestar import post

from foundation.money import format_usd
from service.api.bank_copies import copy_from_bank
from service.api.estimates import estimate_job, refuse_uncovered
from service.api.found import asked, find_job
from service.api.jobs import JobView, view
from service.api.problems import Refusal
from service.api.routes import By, Given, JobId, about
from service.app import Service
from service.lifecycle import Action, after
from service.spec import read_spec
from service.store import dues, events, jobs
from service.store.dues import Connection
from service.store.jobs import Job
from service.store.keys import Caller

_PAST: dict[Action, str] = {
    "launch": "launched",
    "pause": "paused",
    "resume": "resumed",
    "cancel": "cancelled",
}
# What the pipeline then has to do, in the order of the stages' names: two transactions never wait for each other.
_WANTS: dict[Action, tuple[str, ...]] = {
    "launch": ("slice",),
    "pause": ("decide",),
    "resume": ("decide", "slice"),
    "cancel": ("decide",),
}


@post(
    "/jobs/{job_id:str}/launch",
    operation_id="launchJob",
    summary="Launch a job",
    status_code=200,
    **about("jobs:write", "not-found", "not-possible-now", "more-gold-needed", "bank-differs", "budget-too-small"),
)
async def launch_job(service: Given, caller: By, job_id: JobId) -> JobView:
    """Begin: post HITs and collect answers. Refused where gold or budget do not cover the worst case."""
    return await _act(service, caller, job_id, "launch")


@post(
    "/jobs/{job_id:str}/pause",
    operation_id="pauseJob",
    summary="Pause a job",
    status_code=200,
    **about("jobs:write", "not-found", "not-possible-now"),
)
async def pause_job(service: Given, caller: By, job_id: JobId) -> JobView:
    """Take the job's HITs from the workers' view. Work that was accepted still comes in and is paid."""
    return await _act(service, caller, job_id, "pause")


@post(
    "/jobs/{job_id:str}/resume",
    operation_id="resumeJob",
    summary="Resume a job",
    status_code=200,
    **about("jobs:write", "not-found", "not-possible-now"),
)
async def resume_job(service: Given, caller: By, job_id: JobId) -> JobView:
    """Offer a paused job's HITs again, and try again what could not be done on the market."""
    return await _act(service, caller, job_id, "resume")


@post(
    "/jobs/{job_id:str}/cancel",
    operation_id="cancelJob",
    summary="Cancel a job",
    status_code=200,
    **about("jobs:write", "not-found", "not-possible-now"),
)
async def cancel_job(service: Given, caller: By, job_id: JobId) -> JobView:
    """End the job for good. A launched job is `cancelling` until all accepted work is in and paid."""
    return await _act(service, caller, job_id, "cancel")


async def _act(service: Service, caller: Caller, job_id: str, action: Action) -> JobView:
    now = service.clock.now()
    async with service.pool.acquire() as conn, conn.transaction():
        job = await find_job(conn, caller, job_id, lock=True)
        state = asked(after, job.state, action)
        message = f"{_PAST[action]} by {caller.name}"
        if action == "launch":
            message += await _check_launch(service, conn, job, caller)
        reason = f"asked for by {caller.name}" if state == "paused" else None
        await jobs.set_state(conn, job.job_no, state, pause_reason=reason, at=now)
        await events.record(conn, job.job_no, now, _PAST[action], message, {"key_id": caller.key_id})
        if state != "cancelled":
            await _want(conn, job.job_no, action, now)
        return view(await find_job(conn, caller, job_id))


async def _check_launch(service: Service, conn: Connection, job: Job, caller: Caller) -> str:
    """Copy the gold that the spec wants from a bank; return what is launched, in words, or refuse."""
    spec = read_spec(job.spec)
    if spec.gold is not None:
        await copy_from_bank(service, conn, job, spec.gold, caller)
    told = await estimate_job(service, conn, job)
    if not told.items:
        raise Refusal("not-possible-now", "The job has no items to label: upload some, then launch it.")
    refuse_uncovered(job, told)
    worst = format_usd(told.worst_case_cents)
    return f": {told.items} items in {told.hits} HITs, {worst} US dollars in the worst case"


async def _want(conn: Connection, job_no: int, action: Action, now: datetime) -> None:
    for stage in _WANTS[action]:
        await dues.want(conn, stage, job_no, now)


HANDLERS = [launch_job, pause_job, resume_job, cancel_job]
