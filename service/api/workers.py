"""Workers of a job: how much they answered, how they did on gold, and how they mistake labels."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from litestar import get
from msgspec import UNSET, Meta, Struct, UnsetType

from gold.trust import believe
from service.api.found import find_job
from service.api.paging import DEFAULT_PAGE, Cursor, Limit, Page, page_of, read_cursor, write_cursor
from service.api.routes import By, Given, JobId, about
from service.store import workers
from service.store.workers import WorkerRow

INTERVAL = 0.9


class GoldAccuracy(Struct, frozen=True):
    """What gold says of a worker: right answers of all, and what is believed of their accuracy."""

    right: int
    total: int
    mean: float
    low: Annotated[float, Meta(description="end of the central interval that holds the accuracy with a chance of 90%")]
    high: float


class Confusion(Struct, frozen=True):
    """P(answer given true label): a row for each true label value, a column for each answered one."""

    labels: list[str]
    rows: list[list[float]]
    run: str


class Worker(Struct, frozen=True):
    """A worker in a job."""

    worker: Annotated[str, Meta(description="Assay's own id of the worker")]
    market: str
    first_seen_at: datetime
    answers: int
    assignments: int
    gold: GoldAccuracy
    confusion: Confusion | None
    market_worker_id: Annotated[
        str | UnsetType, Meta(description="personal data: only for keys with the scope workers:identify")
    ] = UNSET


@get(
    "/jobs/{job_id:str}/workers",
    operation_id="listWorkers",
    summary="List workers",
    **about("workers:read", "not-found"),
)
async def list_workers(
    service: Given, caller: By, job_id: JobId, cursor: Cursor = None, limit: Limit = DEFAULT_PAGE
) -> Page[Worker]:
    """List a job's workers in the order in which they were first seen, with what is known of each."""
    (after,) = read_cursor("workers", cursor, -1)
    async with service.pool.acquire() as conn:
        job = await find_job(conn, caller, job_id)
        rows = await workers.page(conn, job.job_no, after=int(after), limit=limit + 1)
    trust = believe([row.gold_right for row in rows], [row.gold_total for row in rows])
    low, high = trust.interval(INTERVAL)
    believed = {
        row.worker_no: GoldAccuracy(row.gold_right, row.gold_total, float(mean), float(least), float(most))
        for row, mean, least, most in zip(rows, trust.mean, low, high, strict=True)
    }
    values: list[str] = job.spec["task"]["labels"]
    identify = "workers:identify" in caller.scopes
    return page_of(
        rows,
        limit,
        lambda row: _view(row, values, believed[row.worker_no], identify=identify),
        lambda row: write_cursor("workers", row.worker_no),
    )


def _view(row: WorkerRow, values: Sequence[str], accuracy: GoldAccuracy, *, identify: bool) -> Worker:
    confusion = None
    if row.confusion is not None and row.run_id is not None:
        size = len(values)
        rows = [row.confusion[start : start + size] for start in range(0, size * size, size)]
        confusion = Confusion(list(values), rows, row.run_id)
    return Worker(
        worker=row.worker_id,
        market=row.market,
        first_seen_at=row.first_seen_at,
        answers=row.answers,
        assignments=row.assignments,
        gold=accuracy,
        confusion=confusion,
        market_worker_id=row.market_worker_id if identify else UNSET,
    )


HANDLERS = [list_workers]
