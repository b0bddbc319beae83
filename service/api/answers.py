"""Answers, as workers gave them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from litestar import Request, Response, get
from litestar.params import QueryParameter
from litestar.response import Stream
from msgspec import Meta, Struct

from service.api.bodies import JSON
from service.api.exports import CSV, FORMS, NDJSON, AskedForm, export, form_of
from service.api.found import find_job, refuse_gold
from service.api.paging import DEFAULT_PAGE, Cursor, Limit, Page, page_of, read_cursor, write_cursor
from service.api.routes import By, Given, JobId, about
from service.store import answers
from service.store.answers import AnswerRow
from service.store.dues import Connection

_GOLD = "answers to gold items too, for keys with the scope jobs:read"
_COLUMNS = (
    "external_id",
    "worker",
    "label",
    "submitted_at",
    "assignment",
    "assignment_state",
    "superseded",
    "weighs",
    "gold",
)


class Answer(Struct, frozen=True):
    """One worker's answer to one item."""

    external_id: str
    worker: Annotated[str, Meta(description="Assay's id of the worker")]
    label: str
    submitted_at: datetime
    assignment: Annotated[int, Meta(description="answers handed in together have the same number")]
    assignment_state: Literal["submitted", "approved", "rejected"]
    superseded: Annotated[bool, Meta(description="a later answer of the same worker counts instead")]
    weighs: Annotated[
        bool, Meta(description="false where its assignment was rejected, or its worker suspended from it on")
    ]
    gold: bool


@get(
    "/jobs/{job_id:str}/answers",
    operation_id="listAnswers",
    summary="Get answers",
    **about("labels:read", "not-found", answers={JSON: Page[Answer], NDJSON: Answer, CSV: str}),
)
async def list_answers(
    request: Request[Any, Any, Any],
    service: Given,
    caller: By,
    job_id: JobId,
    gold: Annotated[bool, QueryParameter(description=_GOLD, required=False)] = False,
    form: AskedForm = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_PAGE,
) -> Response[Page[Answer]] | Stream:
    """Give every answer, in the order in which they were collected, with Assay's own id of its worker."""
    first = read_cursor("answers", cursor, 0, 0)
    if gold:
        refuse_gold(caller)
    async with service.pool.acquire() as conn:
        job = await find_job(conn, caller, job_id)
    values: list[str] = job.spec["task"]["labels"]

    async def fetch(conn: Connection, last: AnswerRow | None, most: int) -> Sequence[AnswerRow]:
        start = (int(first[0]), int(first[1])) if last is None else (last.assignment_no, last.slot)
        return await answers.page(conn, job.job_no, after=start, gold=gold, limit=most)

    def show(row: AnswerRow) -> Answer:
        return Answer(
            row.external_id,
            row.worker_id,
            values[row.label],
            row.submitted_at,
            row.assignment_no,
            row.assignment_state,  # type: ignore[arg-type]
            row.superseded,
            row.weighs,
            row.is_gold,
        )

    def cells(row: AnswerRow) -> tuple[Any, ...]:
        return (
            row.external_id,
            row.worker_id,
            values[row.label],
            row.submitted_at.isoformat(),
            row.assignment_no,
            row.assignment_state,
            str(row.superseded).lower(),
            str(row.weighs).lower(),
            str(row.is_gold).lower(),
        )

    asked = form_of(request, form, FORMS)
    if asked != "json":
        return export(service, asked, fetch, show, _COLUMNS, cells)
    async with service.pool.acquire() as conn:
        rows = await fetch(conn, None, limit + 1)
    return Response(page_of(rows, limit, show, lambda row: write_cursor("answers", row.assignment_no, row.slot)))


HANDLERS = [list_answers]
