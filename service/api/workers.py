"""Workers of a job: how much they did, how reliable they are, what they earned, and what changed."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from typing import Annotated, Any, Final, Literal, TypeAlias

import numpy as np
from litestar import Request, Response, get
from litestar.params import QueryParameter
from litestar.response import Stream
from msgspec import Meta

from service.api.bodies import JSON
from service.api.exports import CSV, NDJSON, form_of
from service.api.found import find_job
from service.api.paging import DEFAULT_PAGE, Cursor, Limit, Page, read_cursor, write_cursor
from service.api.problems import Error, Refusal, not_found
from service.api.routes import By, Given, JobId, WorkerId, about
from service.api.trust import TrustChange
from service.api.worker_tables import as_csv, as_ndjson, as_parquet
from service.app import Service
from service.console.worker_pages import job_page, worker_page
from service.sharing import Made
from service.spec import read_spec
from service.store import trust, worker_facts
from service.store.jobs import Job
from service.store.keys import Caller
from service.store.trust import Change
from service.worker_columns import Columns
from service.worker_report import Sort, WorkerReport
from service.worker_view import Part, State, Worker

PARQUET: Final = "application/vnd.apache.parquet"
HTML: Final = "text/html"
# A page that needs nothing from elsewhere may fetch nothing.
_ALONE: Final = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"}
_PIECES: Final = {"ndjson": NDJSON, "csv": CSV}
_FORMS: Final[dict[str, Form]] = {JSON: "json", NDJSON: "ndjson", CSV: "csv", PARQUET: "parquet", HTML: "html"}
_ALONE_FORMS: Final[dict[str, Literal["json", "html"]]] = {JSON: "json", HTML: "html"}

Form: TypeAlias = Literal["json", "ndjson", "csv", "parquet", "html"]
AskedForm: TypeAlias = Annotated[
    Form | None,
    QueryParameter(
        name="format",
        description="`json` for pages (the default); `ndjson`, `csv`, `parquet` or `html` for all; goes before Accept",
        required=False,
    ),
]


class WorkerAlone(Worker, frozen=True, kw_only=True):
    """A worker in a job, with their figures over time and what was believed of them."""

    reason: Annotated[str, Meta(description="why they are in this state")]
    history: Annotated[list[TrustChange], Meta(description="every change of the state, the latest first")]
    over_time: Annotated[list[Part], Meta(description="the answers in up to twelve stretches of as many each")]


@get(
    "/jobs/{job_id:str}/workers",
    operation_id="listWorkers",
    summary="List workers",
    **about(
        "workers:read", "not-found", answers={JSON: Page[Worker], NDJSON: Worker, CSV: str, PARQUET: bytes, HTML: str}
    ),
)
async def list_workers(
    request: Request[Any, Any, Any],
    service: Given,
    caller: By,
    job_id: JobId,
    sort: Annotated[Sort, QueryParameter(description="by what; what is not known comes last", required=False)] = (
        "first_seen"
    ),
    order: Annotated[
        Literal["asc", "desc"] | None,
        QueryParameter(description="`desc` is the default, but for `first_seen`", required=False),
    ] = None,
    trust_state: Annotated[
        State | None, QueryParameter(name="state", description="only workers in this state of trust", required=False)
    ] = None,
    drifting: Annotated[
        bool | None, QueryParameter(description="only workers with a change found, or without", required=False)
    ] = None,
    least_answers: Annotated[
        int, QueryParameter(description="only workers with so many answers", ge=0, le=2**31, required=False)
    ] = 0,
    form: AskedForm = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_PAGE,
) -> Response[Page[Worker]] | Response[bytes] | Stream:
    """Report on a job's workers, computed from the facts as they stand.

    Nothing of it is stored, so corrected gold or a new run shows at once. docs/reports.md says what each figure is.
    CSV and Parquet have a row for each worker, with five columns of gold for each label value.
    """
    form = form_of(request, form, _FORMS)
    down = order == "desc" if order else sort != "first_seen"
    kind = f"workers {sort} {down}"
    after = _position(cursor, kind)
    report, name = await load(service, caller, job_id)
    identify = "workers:identify" in caller.scopes

    def choose() -> list[int]:
        keep = report.chosen(state=trust_state, drifting=drifting, least_answers=least_answers)
        return _ordered(report, sort, keep, after, down=down)

    places = await asyncio.to_thread(choose)
    if form == "parquet":
        table = await asyncio.to_thread(as_parquet, report, places, identify=identify)
        return Response(table, media_type=PARQUET)
    if form == "html":
        page = await asyncio.to_thread(job_page, name, report, places, identify=identify)
        return Response(page.encode(), media_type=HTML, headers=_ALONE)
    if form != "json":
        pieces = (as_csv if form == "csv" else as_ndjson)(report, places, identify=identify)
        return Stream(_stream(pieces), media_type=_PIECES[form])
    shown = await asyncio.to_thread(Columns(report, places[:limit]).views, identify=identify)
    following = None
    if len(places) > limit:
        last = places[limit - 1]
        following = write_cursor(kind, repr(float(report.sorted_by(sort)[last])), int(report.numbers[last]))
    return Response(Page(shown, following))


@get(
    "/jobs/{job_id:str}/workers/{worker_id:str}",
    operation_id="getWorker",
    summary="Get a worker",
    **about("workers:read", "not-found", answers={JSON: WorkerAlone, HTML: str}),
)
async def get_worker(
    request: Request[Any, Any, Any],
    service: Given,
    caller: By,
    job_id: JobId,
    worker_id: WorkerId,
    form: Annotated[
        Literal["json", "html"] | None,
        QueryParameter(name="format", description="`json` (the default) or `html`; goes before Accept", required=False),
    ] = None,
) -> Response[WorkerAlone] | Response[bytes]:
    """Report on one worker: the same figures, over time too, and every change of what was believed of them."""
    report, name = await load(service, caller, job_id)
    place = report.place_of(worker_id)
    if place is None:
        raise not_found("worker in this job")
    async with service.pool.acquire() as conn:
        job = await find_job(conn, caller, job_id)
        history = await trust.history(conn, job.job_no, report.workers[place].worker_no)
    told = await asyncio.to_thread(alone, report, place, history, identify="workers:identify" in caller.scopes)
    if form_of(request, form, _ALONE_FORMS) == "html":
        page = await asyncio.to_thread(worker_page, name, told, told.reason, told.history, told.over_time)
        return Response(page.encode(), media_type=HTML, headers=_ALONE)
    return Response(told)


def alone(report: WorkerReport, place: int, history: Sequence[Change], *, identify: bool) -> WorkerAlone:
    """Show all that is known of one worker."""
    [shown] = Columns(report, [place]).views(identify=identify)
    return WorkerAlone(
        **{name: getattr(shown, name) for name in Worker.__struct_fields__},
        reason=report.workers[place].reason,
        history=[
            TrustChange(one.revision, one.at, one.state, one.by, one.reason, one.evidence)  # type: ignore[arg-type]
            for one in history
        ],
        over_time=report.parts(place),
    )


async def load(service: Service, caller: Caller, job_id: str) -> tuple[WorkerReport, str]:
    """Return a job's report, made beside the event loop where the facts have changed, and the job's name."""
    async with service.pool.acquire() as conn:
        job = await find_job(conn, caller, job_id)
        version = await worker_facts.version(conn, job.job_no)
    report = await service.kept_reports(("workers", job.job_no), version, partial(_report, service, job))
    return report, job.name


async def _report(service: Service, job: Job) -> Made[WorkerReport]:
    spec = read_spec(job.spec)
    labels = list(spec.task.labels)
    async with service.pool.acquire() as conn:
        facts = await worker_facts.load(conn, job.job_no, n_labels=len(labels), reward_cents=spec.reward_cents)
    report = await asyncio.to_thread(WorkerReport.of, facts, labels)
    return Made(facts.version, report, report.size)


def _position(cursor: str | None, kind: str) -> tuple[float, int] | None:
    """Return the figure and the number of the last worker seen."""
    if cursor is None:
        return None
    figure, number = read_cursor(kind, cursor, "", 0)
    try:
        return float(figure), int(number)
    except ValueError:
        error = Error("expected `next` of an earlier page of this list", field="cursor")
        raise Refusal("malformed-request", "The cursor is not valid.", errors=[error]) from None


def _ordered(report: WorkerReport, sort: Sort, keep: Any, after: tuple[float, int] | None, *, down: bool) -> list[int]:
    """Return the places of the chosen workers, sorted by a figure, then by number; what is not known comes last."""
    figure = report.sorted_by(sort)
    value = np.where(np.isnan(figure), math.inf, -figure if down else figure)
    if after is not None:
        last, number = after
        key = math.inf if math.isnan(last) else (-last if down else last)
        keep = keep & ((value > key) | ((value == key) & (report.numbers > number)))
    places = np.flatnonzero(keep)
    ordered: list[int] = places[np.lexsort((report.numbers[places], value[places]))].tolist()
    return ordered


async def _stream(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Make each piece beside the event loop."""
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece


HANDLERS = [list_workers, get_worker]
