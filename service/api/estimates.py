"""What a job will cost, and the refusal to begin what its gold or its budget does not cover."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import msgspec
from litestar import get
from msgspec import Meta

from foundation.money import FEE_SCHEDULES, FeeSchedule, format_usd
from service.api.bank_supply import with_supply
from service.api.found import find_job
from service.api.problems import Refusal
from service.api.routes import By, Given, JobId, about
from service.app import Service
from service.estimate import Estimate, estimate
from service.spec import read_spec
from service.store import gold as gold_items
from service.store import jobs
from service.store.dues import Connection
from service.store.jobs import Job
from service.store.keys import Caller


class JobEstimate(Estimate, frozen=True, kw_only=True):
    """What a job's items that stand in no HIT yet will cost, beside what is spent and promised already."""

    budget_cents: int
    reserved_cents: int
    spent_cents: int
    worst_case_total_cents: Annotated[int, Meta(description="what is spent, promised and still to come, at the most")]


def fees_of(service: Service, market: str) -> FeeSchedule:
    """Return what a configured market takes.

    Raises
    ------
    Refusal
        409, where the market was configured when the job was made and is not now.
    """
    if market not in service.settings.markets:
        raise Refusal("not-possible-now", f"The job's market, {market!r}, is not configured here any more.")
    return FEE_SCHEDULES[service.settings.markets[market].fees]


async def estimate_job(service: Service, conn: Connection, job: Job, *, launched_by: Caller | None = None) -> Estimate:
    """Estimate what a job's items that stand in no HIT yet will cost.

    Parameters
    ----------
    launched_by : Caller, optional
        Who would launch a draft: the bank that its spec names gives gold then.
    """
    spec = read_spec(job.spec)
    tell = partial(
        estimate,
        spec,
        fees_of(service, job.market),
        await jobs.unsliced(conn, job.job_no),
        gold_there=await gold_items.unused(conn, job.job_no),
    )
    if launched_by is None or job.state != "draft":
        return tell()
    return await with_supply(conn, launched_by, spec, tell, job_no=job.job_no)


def refuse_uncovered(job: Job, told: Estimate, *, gold: bool = True) -> None:
    """Refuse to post what the job's gold or its budget does not cover.

    Raises
    ------
    Refusal
        409, with what is needed and what is there.
    """
    if gold and told.gold_missing:
        raise Refusal(
            "more-gold-needed",
            f"{told.gold_needed} gold items are needed for {told.hits} HITs and {told.gold_there} are there: "
            f"upload {told.gold_missing} more. Each gold item stands in one HIT, so that no worker can tell it by "
            "meeting it again.",
            figures={"needed": told.gold_needed, "there": told.gold_there, "missing": told.gold_missing},
        )
    if told.worst_case_cents > job.free_cents:
        needed = job.reserved_cents + job.spent_cents + told.worst_case_cents
        raise Refusal(
            "budget-too-small",
            f"In the worst case the job costs {format_usd(needed)} US dollars, fees included, and its budget is "
            f"{format_usd(job.budget_cents)}: raise it, or lower the reward or the maximum redundancy.",
            figures={
                "worst_case_cents": told.worst_case_cents,
                "reserved_cents": job.reserved_cents,
                "spent_cents": job.spent_cents,
                "needed_cents": needed,
                "budget_cents": job.budget_cents,
            },
        )


@get(
    "/jobs/{job_id:str}/estimate",
    operation_id="getEstimate",
    summary="Estimate a job",
    **about("jobs:read", "not-found", "not-possible-now"),
)
async def get_estimate(service: Given, caller: By, job_id: JobId) -> JobEstimate:
    """Say what the items that stand in no HIT yet will cost at the most and at the least, fees included.

    Also how many HITs and how much gold they need; of a draft, what the bank that its spec names will give at launch.
    What the reward comes to an hour is known once workers have worked.
    """
    async with service.pool.acquire() as conn:
        job = await find_job(conn, caller, job_id)
        told = await estimate_job(service, conn, job, launched_by=caller)
    return JobEstimate(
        **msgspec.structs.asdict(told),
        budget_cents=job.budget_cents,
        reserved_cents=job.reserved_cents,
        spent_cents=job.spent_cents,
        worst_case_total_cents=job.reserved_cents + job.spent_cents + told.worst_case_cents,
    )


HANDLERS = [get_estimate]
