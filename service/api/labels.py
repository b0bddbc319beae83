"""Labels: what the crowd's answers come to, from the first run on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.params import QueryParameter
from litestar.response import Stream
from msgspec import Meta, Struct

from service.api.bodies import JSON
from service.api.exports import CSV, FORMS, NDJSON, AskedForm, export, form_of
from service.api.found import find_job, refuse_gold
from service.api.items import ItemState, SettledBy, Standing
from service.api.paging import DEFAULT_PAGE, Cursor, Limit, Page, page_of, read_cursor, write_cursor
from service.api.routes import By, Given, JobId, about
from service.store import labels
from service.store.dues import Connection
from service.store.labels import LabelRow

_GOLD = "gold items too, for keys with the scope jobs:read"
_COLUMNS = (
    "external_id",
    "label",
    "confidence",
    "answers",
    "run",
    "state",
    "settled_by",
    "settled_at",
    "revision",
    "batch",
    "gold",
)


class Label(Struct, frozen=True):
    """An item's consensus as it stands; everything of it is null before the first run that saw an answer."""

    external_id: str
    label: Annotated[str | None, Meta(description="the label value")]
    probabilities: Annotated[dict[str, float] | None, Meta(description="by label value; they sum to 1")]
    confidence: Annotated[float | None, Meta(description="how likely the label is right")]
    answers: Annotated[int, Meta(description="answers that the run counted")]
    run: Annotated[str | None, Meta(description="the run that it comes from")]
    state: ItemState
    settled_by: SettledBy | None
    settled_at: datetime | None
    revision: Annotated[int, Meta(description="grows when the label, the state or the confidence band changes")]
    batch: str | None
    gold: bool


@get(
    "/jobs/{job_id:str}/labels",
    operation_id="listLabels",
    summary="Get labels",
    **about("labels:read", "not-found", answers={JSON: Page[Label], NDJSON: Label, CSV: str}),
)
async def list_labels(
    request: Request[Any, Any, Any],
    service: Given,
    caller: By,
    job_id: JobId,
    gold: Annotated[bool, QueryParameter(description=_GOLD, required=False)] = False,
    standing: Standing = None,
    form: AskedForm = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_PAGE,
) -> Response[Page[Label]] | Stream:
    """Give each item's label, probabilities and confidence, in the order of the items, before the job ends too.

    Numbers are exact: a double comes out as the shortest decimal that reads back as the same double. CSV has a column
    `p:` and the label value for each probability.
    """
    (after,) = read_cursor("labels", cursor, -1)
    if gold:
        refuse_gold(caller)
    async with service.pool.acquire() as conn:
        job = await find_job(conn, caller, job_id)
    values: list[str] = job.spec["task"]["labels"]

    async def fetch(conn: Connection, last: LabelRow | None, most: int) -> Sequence[LabelRow]:
        start = int(after) if last is None else last.item_no
        return await labels.page(conn, job.job_no, after=start, gold=gold, state=standing, limit=most)

    def show(row: LabelRow) -> Label:
        return view(row, values)

    asked = form_of(request, form, FORMS)
    if asked != "json":
        columns = (*_COLUMNS, *(f"p:{value}" for value in values))
        return export(service, asked, fetch, show, columns, lambda row: _cells(row, values))
    async with service.pool.acquire() as conn:
        rows = await fetch(conn, None, limit + 1)
    return Response(page_of(rows, limit, show, lambda row: write_cursor("labels", row.item_no)))


def view(row: LabelRow, values: Sequence[str]) -> Label:
    """Return a label as the API shows it."""
    return Label(
        external_id=row.external_id,
        label=None if row.label is None else values[row.label],
        probabilities=None if row.probabilities is None else dict(zip(values, row.probabilities, strict=True)),
        confidence=row.confidence,
        answers=row.n_answers,
        run=row.run_id,
        state=row.state,  # type: ignore[arg-type]
        settled_by=row.settled_by,  # type: ignore[arg-type]
        settled_at=row.settled_at,
        revision=row.revision,
        batch=row.batch,
        gold=row.is_gold,
    )


def _cells(row: LabelRow, values: Sequence[str]) -> tuple[Any, ...]:
    return (
        row.external_id,
        None if row.label is None else values[row.label],
        row.confidence,
        row.n_answers,
        row.run_id,
        row.state,
        row.settled_by,
        row.settled_at.isoformat() if row.settled_at else None,
        row.revision,
        row.batch,
        str(row.is_gold).lower(),
        *(row.probabilities or ("",) * len(values)),
    )


HANDLERS = [list_labels]
