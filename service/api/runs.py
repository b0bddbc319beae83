"""Runs: by which method labels were inferred, what it chose and why, and whether it arrived."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from litestar import get
from litestar.params import PathParameter
from msgspec import Meta, Struct

from service.api.found import find_job
from service.api.paging import DEFAULT_PAGE, Cursor, Limit, Page, page_of, read_cursor, write_cursor
from service.api.problems import not_found
from service.api.routes import By, Given, JobId, about
from service.store import runs
from service.store.runs import Run as Stored

RunId: TypeAlias = Annotated[str, PathParameter(description="the run's id, `run_…`")]


class Run(Struct, frozen=True):
    """One inference over a job's answers."""

    run_id: str
    kind: Annotated[
        Literal["interim", "closing"],
        Meta(description="interim runs start warm, and may take a faster method; the closing run's labels are final"),
    ]
    method: str
    parameters: Annotated[
        dict[str, Any],
        Meta(description="what the method was run with, what auto chose and by which figures, and the seed"),
    ]
    items: int
    workers: int
    answers: int
    iterations: int
    converged: bool
    bound: Annotated[
        float | None, Meta(description="the bound that the method maximises, at its end; null without one")
    ]
    prevalence: Annotated[dict[str, float] | None, Meta(description="how common each label value is taken to be")]
    started_at: datetime
    finished_at: datetime


@get(
    "/jobs/{job_id:str}/runs",
    operation_id="listRuns",
    summary="List runs",
    **about("labels:read", "not-found"),
)
async def list_runs(
    service: Given, caller: By, job_id: JobId, cursor: Cursor = None, limit: Limit = DEFAULT_PAGE
) -> Page[Run]:
    """List the runs over a job's answers, the latest first."""
    (before,) = read_cursor("runs", cursor, 2**31 - 1)
    async with service.pool.acquire() as conn:
        job = await find_job(conn, caller, job_id)
        rows = await runs.page(conn, job.job_no, before=int(before), limit=limit + 1)
    values: list[str] = job.spec["task"]["labels"]
    return page_of(rows, limit, lambda row: view(row, values), lambda row: write_cursor("runs", row.run_no))


@get(
    "/jobs/{job_id:str}/runs/{run_id:str}",
    operation_id="getRun",
    summary="Get a run",
    **about("labels:read", "not-found"),
)
async def get_run(service: Given, caller: By, job_id: JobId, run_id: RunId) -> Run:
    """Return a run, which a label names: the method, what it chose and why, its bound and whether it arrived."""
    async with service.pool.acquire() as conn:
        job = await find_job(conn, caller, job_id)
        row = await runs.find(conn, job.job_no, run_id)
    if row is None:
        raise not_found("run")
    return view(row, job.spec["task"]["labels"])


def view(row: Stored, values: Sequence[str]) -> Run:
    """Return a run as the API shows it."""
    return Run(
        run_id=row.run_id,
        kind=row.kind,  # type: ignore[arg-type]
        method=row.method,
        parameters=row.params,
        items=row.n_items,
        workers=row.n_workers,
        answers=row.n_answers,
        iterations=row.n_iter,
        converged=row.converged,
        bound=row.objective,
        prevalence=None if row.prevalence is None else dict(zip(values, row.prevalence, strict=True)),
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


HANDLERS = [list_runs, get_run]
