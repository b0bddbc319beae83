"""What a job believes of a worker, every change of it with its reason, and a person's word on it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from litestar import Request, delete, get, put
from msgspec import Meta, Struct

from service.api.bodies import JSON, read_json
from service.api.found import asked, find_job
from service.api.problems import not_found
from service.api.routes import By, Given, JobId, WorkerId, about
from service.lifecycle import OVER, require_takes_items
from service.plain_words import NOT_BLANK
from service.store import dues, events, trust
from service.store.dues import Connection
from service.store.jobs import Job
from service.store.trust import Believed, Verdict

TrustState: TypeAlias = Literal["probation", "trusted", "watched", "suspended"]
TrustBy: TypeAlias = Literal["policy", "person"]

_LARGEST = 16 * 1024
# Weights change with the state: redundancy, labels and the gate follow.
_WANTS = ("decide", "infer", "score")


class TrustChange(Struct, frozen=True):
    """One change of what was believed of a worker, and the numbers that it rested on."""

    revision: int
    at: datetime
    state: TrustState
    by: TrustBy
    reason: str
    evidence: dict[str, Any]


class TrustView(Struct, frozen=True):
    """What a job believes of a worker."""

    worker: str
    state: TrustState
    by: Annotated[TrustBy, Meta(description="who said so last; a person's word stands until a person takes it back")]
    reason: str
    evidence: Annotated[dict[str, Any], Meta(description="the numbers that the policy goes by, as they stand")]
    kept_out: Annotated[
        bool,
        Meta(
            description="whether the market keeps the worker from the job's HITs; of a job that is over, there are none"
        ),
    ]
    resting: Annotated[
        bool, Meta(description="gets no new HITs while others tell more by their answers; it is no suspicion")
    ]
    history: Annotated[list[TrustChange], Meta(description="the latest first")]


class Word(Struct, frozen=True, forbid_unknown_fields=True):
    """A person's word on a worker."""

    state: Literal["trusted", "watched", "suspended"]
    reason: Annotated[
        str, Meta(min_length=1, max_length=2000, pattern=NOT_BLANK, description="why; it is kept in the history")
    ]


@get(
    "/jobs/{job_id:str}/workers/{worker_id:str}/trust",
    operation_id="getTrust",
    summary="See why a worker is trusted or not",
    **about("workers:read", "not-found"),
)
async def get_trust(service: Given, caller: By, job_id: JobId, worker_id: WorkerId) -> TrustView:
    """Return what is believed of a worker of the job, with every change and its reason."""
    async with service.pool.acquire() as conn:
        job = await find_job(conn, caller, job_id)
        return await _view(conn, job, await _find(conn, job, worker_id))


@put(
    "/jobs/{job_id:str}/workers/{worker_id:str}/trust",
    operation_id="setTrust",
    summary="Suspend or reinstate a worker",
    **about("workers:judge", "not-found", "not-possible-now", "invalid-content", reads={JSON: Word}, largest=_LARGEST),
)
async def set_trust(
    request: Request[Any, Any, Any], service: Given, caller: By, job_id: JobId, worker_id: WorkerId
) -> TrustView:
    """Say what to believe of a worker; it stands, whatever gold says, until it is taken back.

    A suspended worker gets no more of the job's HITs and has no weight in its labels. What was handed in is paid.
    """
    word = await read_json(request, Word)
    async with service.pool.acquire() as conn, conn.transaction():
        job = await find_job(conn, caller, job_id, lock=True)
        asked(require_takes_items, job.state, "nobody can be suspended or reinstated in it")
        found = await _find(conn, job, worker_id)
        if (found.state, found.by, found.reason) != (word.state, "person", word.reason):
            await _change(conn, service.clock.now(), job, found, word.state, word.reason, "person", caller.name)
        return await _view(conn, job, await _find(conn, job, worker_id))


@delete(
    "/jobs/{job_id:str}/workers/{worker_id:str}/trust",
    operation_id="releaseTrust",
    summary="Leave a worker to the policy again",
    status_code=200,
    **about("workers:judge", "not-found", "not-possible-now"),
)
async def release_trust(service: Given, caller: By, job_id: JobId, worker_id: WorkerId) -> TrustView:
    """Take a person's word on a worker back: the state follows from gold and agreement again."""
    async with service.pool.acquire() as conn, conn.transaction():
        job = await find_job(conn, caller, job_id, lock=True)
        asked(require_takes_items, job.state, "nobody can be suspended or reinstated in it")
        found = await _find(conn, job, worker_id)
        if found.by == "person":
            reason = "left to the policy again"
            await _change(conn, service.clock.now(), job, found, "probation", reason, "policy", caller.name)
        return await _view(conn, job, await _find(conn, job, worker_id))


async def _change(
    conn: Connection, now: datetime, job: Job, found: Believed, state: str, reason: str, by: str, who: str
) -> None:
    verdict = Verdict(found.worker_no, state, reason, {**found.evidence, "said_by": who}, by)
    await trust.change(conn, job.job_no, [verdict], now)
    await events.record(conn, job.job_no, now, "trust", f"{found.worker_id} {state} by {who}: {reason}")
    for stage in _WANTS:
        await dues.want(conn, stage, job.job_no, now)


async def _find(conn: Connection, job: Job, worker_id: str) -> Believed:
    found = await trust.find(conn, job.job_no, worker_id)
    if found is None:
        raise not_found("worker in this job")
    return found


async def _view(conn: Connection, job: Job, found: Believed) -> TrustView:
    changes = await trust.history(conn, job.job_no, found.worker_no)
    return TrustView(
        worker=found.worker_id,
        state=found.state,  # type: ignore[arg-type]
        by=found.by,  # type: ignore[arg-type]
        reason=found.reason,
        evidence=found.evidence,
        kept_out=found.barred and job.state not in OVER,
        resting=found.resting,
        history=[
            TrustChange(one.revision, one.at, one.state, one.by, one.reason, one.evidence)  # type: ignore[arg-type]
            for one in changes
        ],
    )


HANDLERS = [get_trust, set_trust, release_trust]
