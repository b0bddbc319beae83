"""How far a job is, and what happened to it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from litestar import get
from msgspec import Meta, Struct

from service.api.found import find_job
from service.api.jobs import Budget
from service.api.paging import DEFAULT_PAGE, Cursor, Limit, Page, page_of, read_cursor, write_cursor
from service.api.routes import By, Given, JobId, about
from service.lifecycle import State
from service.store import progress
from service.store.progress import Counts, Event

_LATEST = 10
_NEWEST = 2**63 - 1


class Items(Struct, frozen=True):
    """A job's items, gold left out."""

    total: int
    open: int
    settled: int
    settled_by_target: int
    settled_by_maximum: int
    settled_by_person: int
    withdrawn: int
    labelled: Annotated[int, Meta(description="items that have a label, final or not")]
    in_no_hit: Annotated[int, Meta(description="open items that stand in no HIT yet")]


class Hits(Struct, frozen=True):
    """A job's HITs: planned, open on the market, shut (expired there), gone (deleted there by others), closed."""

    total: int
    planned: int
    open: int
    shut: int
    gone: int
    closed: int


class Assignments(Struct, frozen=True):
    """What workers accepted and handed in."""

    pending: Annotated[int, Meta(description="accepted and not handed in yet, as the market last said")]
    submitted: Annotated[int, Meta(description="handed in and not approved or rejected yet")]
    approved: int
    rejected: int
    unreadable: Annotated[
        int, Meta(description="came in with something that could not be used; see assignments?problem=true")
    ]


class EventView(Struct, frozen=True):
    """Something that happened to a job."""

    at: datetime
    kind: str
    message: str


class Progress(Struct, frozen=True, kw_only=True):
    """How far a job is, all as of one moment."""

    job_id: str
    state: State
    pause_reason: str | None
    items: Items
    gold: Annotated[int, Meta(description="gold items that are not withdrawn")]
    hits: Hits
    assignments: Assignments
    answers: int
    workers: int
    budget: Budget
    on_the_way: Annotated[int, Meta(description="effects that are still to happen on the market")]
    parked: Annotated[int, Meta(description="effects that could not happen; the events say why")]
    events: Annotated[list[EventView], Meta(description="the latest first")]


@get(
    "/jobs/{job_id:str}/progress",
    operation_id="getProgress",
    summary="Get progress",
    **about("jobs:read", "not-found"),
)
async def get_progress(service: Given, caller: By, job_id: JobId) -> Progress:
    """Count a job's items, HITs, assignments, answers and money, and give what happened to it lately."""
    async with service.pool.acquire() as conn:
        job = await find_job(conn, caller, job_id)
        counts = await progress.count(conn, job.job_no)
        latest = await progress.events(conn, job.job_no, before=_NEWEST, limit=_LATEST)
    return Progress(
        job_id=job.job_id,
        state=job.state,
        pause_reason=job.pause_reason,
        items=_items(counts),
        gold=counts.gold.get("open", 0),
        hits=Hits(
            total=sum(counts.hits.values()),
            planned=counts.hits.get("planned", 0),
            open=counts.hits.get("open", 0),
            shut=counts.hits.get("shut", 0),
            gone=counts.hits.get("gone", 0),
            closed=counts.hits.get("closed", 0),
        ),
        assignments=Assignments(
            pending=counts.pending,
            submitted=counts.assignments.get("submitted", 0),
            approved=counts.assignments.get("approved", 0),
            rejected=counts.assignments.get("rejected", 0),
            unreadable=counts.problems,
        ),
        answers=counts.answers,
        workers=counts.workers,
        budget=Budget(job.budget_cents, job.reserved_cents, job.spent_cents),
        on_the_way=counts.effects_due,
        parked=counts.effects_parked,
        events=[_event(event) for event in latest],
    )


@get(
    "/jobs/{job_id:str}/events",
    operation_id="listEvents",
    summary="List events",
    **about("jobs:read", "not-found"),
)
async def list_events(
    service: Given, caller: By, job_id: JobId, cursor: Cursor = None, limit: Limit = DEFAULT_PAGE
) -> Page[EventView]:
    """List what happened to a job, the latest first: changes of state, alarms, what could not be done."""
    (before,) = read_cursor("events", cursor, _NEWEST)
    async with service.pool.acquire() as conn:
        job = await find_job(conn, caller, job_id)
        rows = await progress.events(conn, job.job_no, before=int(before), limit=limit + 1)
    return page_of(rows, limit, _event, lambda event: write_cursor("events", event.event_no))


def _items(counts: Counts) -> Items:
    by = counts.items
    total = sum(by.values())
    open_items = by.get("open", 0)
    return Items(
        total=total,
        open=open_items,
        settled=total - open_items,
        settled_by_target=by.get("target", 0),
        settled_by_maximum=by.get("maximum", 0),
        settled_by_person=by.get("person", 0),
        withdrawn=by.get("withdrawn", 0),
        labelled=counts.labelled,
        in_no_hit=counts.unsliced,
    )


def _event(event: Event) -> EventView:
    return EventView(event.at, event.kind, event.message)


HANDLERS = [get_progress, list_events]
