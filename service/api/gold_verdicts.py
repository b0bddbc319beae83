"""What persons said of candidates for gold: each verdict, with what they were shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from litestar import get
from msgspec import Meta, Struct

from service.api.found import find_job
from service.api.gold import AcceptedValue, accepted_values
from service.api.gold_candidates import Evidence, evidence_of
from service.api.paging import DEFAULT_PAGE, Cursor, Limit, Page, page_of, read_cursor, write_cursor
from service.api.problems import Error, Refusal, named
from service.api.routes import By, Given, JobId, about
from service.shape import Wrong
from service.store import gold_candidates as stored
from service.store.dues import Connection
from service.store.gold_candidates import VerdictRow
from service.store.jobs import Job
from service.upload.reading import MOST_NAMED


class Verdict(Struct, frozen=True):
    """What a person said of a candidate; bank, version and accepted: of the bank's item that an accepted one became."""

    external_id: str
    revision: int
    verdict: Literal["accepted", "refused"]
    at: datetime
    by: str
    reason: Annotated[str, Meta(description="of a refusal")]
    evidence: Annotated[Evidence, Meta(description="what the person was shown")]
    bank: str | None
    version: int | None
    accepted: list[AcceptedValue] | None


class Verdicts(Struct, frozen=True):
    """What holds now of the candidates named, and how much of it was said already."""

    changed: int
    unchanged: int
    candidates: list[Verdict]


@get(
    "/jobs/{job_id:str}/gold/candidates/verdicts",
    operation_id="listGoldVerdicts",
    summary="List what was said of candidates for gold",
    **about("jobs:read", "not-found"),
)
async def list_verdicts(
    service: Given, caller: By, job_id: JobId, cursor: Cursor = None, limit: Limit = DEFAULT_PAGE
) -> Page[Verdict]:
    """List who accepted or refused which candidate, when, why, and what they were shown; the last of an item holds."""
    item_no, revision = read_cursor("verdicts", cursor, -1, 0)
    async with service.pool.acquire() as conn:
        job = await find_job(conn, caller, job_id)
        rows = await stored.page(conn, job.job_no, after=(int(item_no), int(revision)), limit=limit + 1)
    values: list[str] = job.spec["task"]["labels"]
    return page_of(
        rows, limit, lambda row: _view(row, values), lambda row: write_cursor("verdicts", row.item_no, row.revision)
    )


async def said_before(
    conn: Connection, job: Job, external_ids: Sequence[str], wrong: Sequence[Wrong] = ()
) -> dict[str, VerdictRow]:
    """Return what was said before of the items named.

    Raises
    ------
    Refusal
        Where something is wrong with what is asked, or the job has no such items.
    """
    repeated = [
        Wrong(f"candidates[{place}].external_id", "expected each item once")
        for place, name in enumerate(external_ids)
        if name in external_ids[:place]
    ]
    if bad := [*wrong, *repeated]:
        raise Refusal("invalid-content", f"The body is not valid: {bad[0]}", errors=named(bad[:MOST_NAMED]))
    known = await stored.numbers(conn, job.job_no, external_ids)
    if unknown := [name for name in external_ids if name not in known]:
        raise Refusal(
            "unknown-items",
            f"{len(unknown)} of these external_ids are no items of the job; nothing was changed.",
            errors=[Error("is no item of the job", external_id=name) for name in unknown[:MOST_NAMED]],
            errors_total=len(unknown),
        )
    return await stored.latest(conn, job.job_no, external_ids)


async def told(conn: Connection, job: Job, external_ids: Sequence[str], changed: int) -> Verdicts:
    """Return what holds now of candidates, of which so many verdicts are new."""
    rows = await stored.latest(conn, job.job_no, external_ids)
    values: list[str] = job.spec["task"]["labels"]
    return Verdicts(changed, len(external_ids) - changed, [_view(rows[name], values) for name in external_ids])


def _view(row: VerdictRow, values: Sequence[str]) -> Verdict:
    return Verdict(
        external_id=row.external_id,
        revision=row.revision,
        verdict=row.verdict,  # type: ignore[arg-type]
        at=row.at,
        by=row.by,
        reason=row.reason,
        evidence=evidence_of(row.evidence, values),
        bank=row.bank,
        version=row.version,
        accepted=None if row.accepted is None else accepted_values(row.accepted, row.labels or ()),
    )


HANDLERS = [list_verdicts]
