"""Assignments: what workers handed in, as it came, and what is wrong with it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from litestar import get
from litestar.params import PathParameter, QueryParameter
from msgspec import Meta, Struct

from service.api.found import find_job
from service.api.paging import DEFAULT_PAGE, Cursor, Limit, Page, page_of, read_cursor, write_cursor
from service.api.problems import not_found
from service.api.routes import By, Given, JobId, about
from service.store import handed_in
from service.store.handed_in import AssignmentRow

_SHOWN = 2_000  # characters of raw in a list
_LARGEST = 2**63 - 1


class Assignment(Struct, frozen=True):
    """What one worker handed in for one HIT."""

    assignment: Annotated[int, Meta(description="the number that its answers have too")]
    hit: int
    market_assignment_id: Annotated[str, Meta(description="what the market calls it")]
    worker: Annotated[str, Meta(description="Assay's own id of the worker")]
    state: Annotated[
        Literal["submitted", "approved", "rejected", "stray"],
        Meta(description="stray: listed under a second worker as well; it weighs nothing and is not paid again"),
    ]
    submitted_at: datetime
    collected_at: datetime
    answers: Annotated[int, Meta(description="how many answers could be read from it")]
    problem: Annotated[str | None, Meta(description="what could not be used, and why")]
    raw_characters: Annotated[int, Meta(description="how long what the market gave is")]
    raw: Annotated[str, Meta(description="what the market gave, to the letter; in lists its first 2,000 characters")]


@get(
    "/jobs/{job_id:str}/assignments",
    operation_id="listAssignments",
    summary="List assignments",
    **about("labels:read", "not-found"),
)
async def list_assignments(
    service: Given,
    caller: By,
    job_id: JobId,
    problem: Annotated[bool, QueryParameter(description="only those with a problem", required=False)] = False,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_PAGE,
) -> Page[Assignment]:
    """List what workers handed in, in the order in which it was collected, with what could not be used of it."""
    (after,) = read_cursor("assignments", cursor, 0)
    async with service.pool.acquire() as conn:
        job = await find_job(conn, caller, job_id)
        rows = await handed_in.page(
            conn, job.job_no, after=int(after), every=not problem, limit=limit + 1, longest=_SHOWN
        )
    return page_of(rows, limit, _show, lambda row: write_cursor("assignments", row.assignment_no))


@get(
    "/jobs/{job_id:str}/assignments/{assignment:int}",
    operation_id="getAssignment",
    summary="Get an assignment",
    **about("labels:read", "not-found"),
)
async def get_assignment(
    service: Given,
    caller: By,
    job_id: JobId,
    assignment: Annotated[int, PathParameter(description="the assignment's number, as its answers have it")],
) -> Assignment:
    """Give one assignment with all that was handed in, to the letter."""
    async with service.pool.acquire() as conn:
        job = await find_job(conn, caller, job_id)
        row = await handed_in.find(conn, job.job_no, assignment) if 0 < assignment <= _LARGEST else None
    if row is None:
        raise not_found("assignment")
    return _show(row)


def _show(row: AssignmentRow) -> Assignment:
    return Assignment(
        assignment=row.assignment_no,
        hit=row.hit_no,
        market_assignment_id=row.market_assignment_id,
        worker=row.worker_id,
        state=row.state,  # type: ignore[arg-type]
        submitted_at=row.submitted_at,
        collected_at=row.collected_at,
        answers=row.answers,
        problem=row.problem,
        raw_characters=row.raw_length,
        raw=row.raw,
    )


HANDLERS = [list_assignments, get_assignment]
