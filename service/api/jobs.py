"""Jobs: checked, created, listed and read; their budget changed."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import datetime
from functools import partial
from typing import Annotated, Any, TypeAlias

import msgspec
from litestar import Request, Response, get, patch, post
from litestar.params import HeaderParameter, QueryParameter
from msgspec import Meta, Struct

from foundation.ids import new_id
from foundation.money import parse_usd
from service.api.bank_supply import with_supply
from service.api.bodies import JSON, YAML, media_type, read_json
from service.api.estimates import estimate_job, fees_of, refuse_uncovered
from service.api.found import asked, find_job
from service.api.paging import DEFAULT_PAGE, Cursor, Limit, Page, page_of, read_cursor, write_cursor
from service.api.problems import Refusal, named
from service.api.routes import By, Given, JobId, about
from service.app import Service
from service.estimate import Alike, Estimate, estimate
from service.lifecycle import Action, State, possible, require_takes_items
from service.spec import Spec, SpecError, Usd, read_spec
from service.spec_reading import LARGEST_SPEC, check_spec, decode_spec
from service.store import dues, events, idempotency, jobs, pace
from service.store.dues import Connection
from service.store.jobs import Job
from service.store.keys import Caller

Standing: TypeAlias = Annotated[
    State | None, QueryParameter(name="state", description="only jobs in this state", required=False)
]

_NEWEST = 2**63 - 1
_SPECS = {JSON: Spec, YAML[0]: Any}
_SMALL = 64 * 1024


class Budget(Struct, frozen=True):
    """A job's money: what it may cost at most, what is promised for HITs, what is paid."""

    limit_cents: int
    reserved_cents: int
    spent_cents: int


class JobSummary(Struct, frozen=True, kw_only=True):
    """A job as it stands."""

    job_id: str
    name: str
    market: str
    state: State
    pause_reason: str | None
    possible: Annotated[list[Action], Meta(description="what can be asked of it now")]
    budget: Budget
    created_at: datetime
    launched_at: datetime | None
    ended_at: datetime | None


class JobView(JobSummary, frozen=True, kw_only=True):
    """A job as it stands, with its spec."""

    spec: Spec


class CheckedSpec(Struct, frozen=True):
    """A spec that is valid, with everything it leaves out filled in, and what it would cost."""

    spec: Spec
    estimate: Estimate


class JobChange(Struct, forbid_unknown_fields=True):
    """What can be changed of a job."""

    budget: Usd


def summarize(job: Job) -> dict[str, Any]:
    """Return the fields of a job's summary."""
    return {
        "job_id": job.job_id,
        "name": job.name,
        "market": job.market,
        "state": job.state,
        "pause_reason": job.pause_reason,
        "possible": possible(job.state),
        "budget": Budget(job.budget_cents, job.reserved_cents, job.spent_cents),
        "created_at": job.created_at,
        "launched_at": job.launched_at,
        "ended_at": job.ended_at,
    }


def view(job: Job) -> JobView:
    """Return a job as the API shows it."""
    return JobView(**summarize(job), spec=read_spec(job.spec))


@post(
    "/jobs/check",
    operation_id="checkJob",
    summary="Check a spec",
    status_code=200,
    **about("jobs:read", "invalid-content", reads=_SPECS, largest=LARGEST_SPEC),
)
async def check_job(
    request: Request[Any, Any, Any],
    service: Given,
    caller: By,
    items: Annotated[
        int, QueryParameter(description="items to estimate for", ge=0, le=100_000_000, required=False)
    ] = 1000,
) -> CheckedSpec:
    """Check a spec, in JSON or YAML, without creating anything; the problem names every field that is wrong."""
    spec = await _read_spec(request, service)
    many = Alike(spec.redundancy.minimum, spec.redundancy.maximum, items)
    tell = partial(estimate, spec, fees_of(service, spec.market), [many] if items else [])
    async with service.pool.acquire() as conn:
        return CheckedSpec(spec, await with_supply(conn, caller, spec, tell))


@post(
    "/jobs",
    operation_id="createJob",
    summary="Create a job",
    **about(
        "jobs:write",
        "invalid-content",
        "key-reused",
        reads=_SPECS,
        answers={JSON: JobView},
        also={200: "The job that the same request with this Idempotency-Key made before"},
        largest=LARGEST_SPEC,
    ),
)
async def create_job(
    request: Request[Any, Any, Any],
    service: Given,
    caller: By,
    idempotency_key: Annotated[
        str | None,
        HeaderParameter(
            name="Idempotency-Key",
            description="makes a repeated request harmless: for 30 days it answers 200 with the job of the first one",
            pattern=r"^[!-~]{1,255}$",
            required=False,
        ),
    ] = None,
) -> Response[JobView]:
    """Create a job from its spec, in JSON or YAML (where amounts of money need no quotes), as a draft.

    Answers 201 with the job; 200 where the Idempotency-Key was used for the same body before, with the job made then.
    """
    spec = await _read_spec(request, service)
    seen = hashlib.sha256(request.content_type[0].encode() + b"\0" + await request.body()).digest()
    async with service.pool.acquire() as conn, conn.transaction():
        job_id = new_id("job", service.clock)
        status = 201
        if idempotency_key is not None:
            before = await idempotency.claim(
                conn, caller.team_id, idempotency_key, request_hash=seen, job_id=job_id, at=service.clock.now()
            )
            if before is not None:
                if before.request_hash != seen:
                    raise Refusal("key-reused", "This Idempotency-Key came with another body before; use a new one.")
                job_id, status = before.job_id, 200
        if status == 201:
            await _insert(service, conn, caller, job_id, spec)
        job = await find_job(conn, caller, job_id)
    return Response(view(job), status_code=status, headers={"Location": f"/v1/jobs/{job_id}"})


@get("/jobs", operation_id="listJobs", summary="List jobs", **about("jobs:read"))
async def list_jobs(
    service: Given, caller: By, standing: Standing = None, cursor: Cursor = None, limit: Limit = DEFAULT_PAGE
) -> Page[JobSummary]:
    """List the team's jobs, the newest first."""
    (before,) = read_cursor("jobs", cursor, _NEWEST)
    async with service.pool.acquire() as conn:
        rows = await jobs.page(conn, caller.team_id, before=int(before), state=standing, limit=limit + 1)
    return page_of(rows, limit, lambda job: JobSummary(**summarize(job)), lambda job: write_cursor("jobs", job.job_no))


@get("/jobs/{job_id:str}", operation_id="getJob", summary="Get a job", **about("jobs:read", "not-found"))
async def get_job(service: Given, caller: By, job_id: JobId) -> JobView:
    """Show a job, its spec, its state and its money."""
    async with service.pool.acquire() as conn:
        return view(await find_job(conn, caller, job_id))


@patch(
    "/jobs/{job_id:str}",
    operation_id="changeJob",
    summary="Change a job's budget",
    **about(
        "jobs:write",
        "not-found",
        "not-possible-now",
        "budget-too-small",
        "invalid-content",
        reads={JSON: JobChange},
        largest=_SMALL,
    ),
)
async def change_job(request: Request[Any, Any, Any], service: Given, caller: By, job_id: JobId) -> JobView:
    """Change the budget limit. Once a job is launched, it must still cover the worst case."""
    change = await read_json(request, JobChange)
    cents = parse_usd(change.budget)
    now = service.clock.now()
    async with service.pool.acquire() as conn, conn.transaction():
        job = await find_job(conn, caller, job_id, lock=True)
        asked(require_takes_items, job.state, "its budget cannot change")
        if job.state != "draft":
            told = await estimate_job(service, conn, job)
            refuse_uncovered(msgspec.structs.replace(job, budget_cents=cents), told, gold=False)
        await jobs.set_budget(conn, job.job_no, cents, change.budget)
        await events.record(
            conn,
            job.job_no,
            now,
            "budget",
            f"budget set to {change.budget} by {caller.name}",
            {"key_id": caller.key_id, "from_cents": job.budget_cents, "to_cents": cents},
        )
        if job.state == "running":
            await dues.want(conn, "slice", job.job_no, now)
        return view(await find_job(conn, caller, job_id))


async def _read_spec(request: Request[Any, Any, Any], service: Service) -> Spec:
    kind = media_type(request, JSON, *YAML)
    body = await request.body()
    try:
        raw = await asyncio.to_thread(decode_spec, body, is_yaml=kind != JSON)
    except SpecError as error:
        raise Refusal("malformed-request", f"The spec {error}", errors=named(error.wrong)) from None
    try:
        return check_spec(raw, markets=service.settings.markets)
    except SpecError as error:
        more = f" (and {len(error.wrong) - 1} more)" if len(error.wrong) > 1 else ""
        detail = f"The spec is not valid: {error.wrong[0]}{more}"
        raise Refusal("invalid-content", detail, errors=named(error.wrong)) from None


async def _insert(service: Service, conn: Connection, caller: Caller, job_id: str, spec: Spec) -> None:
    now = service.clock.now()
    rate = service.settings.markets[spec.market].initial_rate
    job_no = await jobs.insert(
        conn,
        job_id=job_id,
        team_id=caller.team_id,
        market_no=await pace.know_market(conn, spec.market, rate, now),
        name=spec.name,
        spec=msgspec.to_builtins(spec),
        n_labels=len(spec.task.labels),
        budget_cents=spec.budget_cents,
        at=now,
    )
    await events.record(conn, job_no, now, "created", f"created by {caller.name}", {"key_id": caller.key_id})


HANDLERS = [check_job, create_job, list_jobs, get_job, change_job]
