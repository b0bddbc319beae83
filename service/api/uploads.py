"""Upload items and gold in bulk: received to a file, read in a thread, stored in one transaction or not at all."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, BinaryIO, Final, cast

from litestar import Request, post
from litestar.exceptions import InternalServerException
from msgspec import Struct

from service.api.bodies import JSON, media_type
from service.api.estimates import estimate_job, refuse_uncovered
from service.api.found import asked, find_job
from service.api.problems import Error, Refusal
from service.api.routes import By, Given, JobId, about
from service.app import Service
from service.lifecycle import require_takes_items
from service.spec import read_spec
from service.store import dues, events, gold, items
from service.store.dues import Connection
from service.store.jobs import Job
from service.store.keys import Caller
from service.upload.line import GoldLine, ItemLine
from service.upload.reading import MOST_NAMED, Form, Reading, read_upload

LARGEST_UPLOAD: Final = 1024**3
"""Bytes: a thousand characters for each of a million items."""

_IN_MEMORY: Final = 1024 * 1024
FORMS: Final[dict[str, Form]] = {"application/x-ndjson": "ndjson", "text/csv": "csv", JSON: "json"}
_PROBLEMS: Final = (
    "not-found",
    "not-possible-now",
    "items-differ",
    "more-gold-needed",
    "budget-too-small",
    "invalid-lines",
)


class Uploaded(Struct, frozen=True):
    """What an upload changed, and what the job has now."""

    added: int
    unchanged: int
    items: int
    gold: int


@post(
    "/jobs/{job_id:str}/items",
    operation_id="addItems",
    summary="Upload items",
    status_code=200,
    **about(
        "jobs:write",
        *_PROBLEMS,
        reads={"application/x-ndjson": ItemLine, "text/csv": str, JSON: list[ItemLine]},
        largest=LARGEST_UPLOAD,
    ),
)
async def add_items(request: Request[Any, Any, Any], service: Given, caller: By, job_id: JobId) -> Uploaded:
    """Add items: NDJSON, CSV (other columns than an item's own are payload fields), or a JSON array for a few.

    All are stored or, where a line is bad, none; the problem names the bad lines. An item that the job has already,
    by its external_id, with the same content is left as it is; with other content the upload is refused.
    """
    return await _upload(request, service, caller, job_id, is_gold=False)


@post(
    "/jobs/{job_id:str}/gold",
    operation_id="addGold",
    summary="Upload gold",
    status_code=200,
    **about(
        "jobs:write",
        *_PROBLEMS,
        reads={"application/x-ndjson": GoldLine, "text/csv": str, JSON: list[GoldLine]},
        largest=LARGEST_UPLOAD,
    ),
)
async def add_gold(request: Request[Any, Any, Any], service: Given, caller: By, job_id: JobId) -> Uploaded:
    """Add gold items: as items, with `accepted`, the label values that are right.

    In CSV, `accepted` is a label value, or several with | between them, and `reason` says why.
    """
    return await _upload(request, service, caller, job_id, is_gold=True)


async def _upload(
    request: Request[Any, Any, Any], service: Service, caller: Caller, job_id: str, *, is_gold: bool
) -> Uploaded:
    form = FORMS[media_type(request, *FORMS)]
    async with service.pool.acquire() as conn:
        job = await find_job(conn, caller, job_id)
    asked(require_takes_items, job.state, "it takes no items")
    async with received(request) as body, scratch() as rows:
        reading = await asyncio.to_thread(read_upload, body, form, read_spec(job.spec), gold=is_gold, rows=rows)
        rows.seek(0)
        async with service.pool.acquire() as conn, conn.transaction():
            await items.stage(conn, rows)
            await refuse_bad_lines(conn, reading)
            return await _store(service, conn, caller, job_id, is_gold=is_gold, read=reading.rows)


@asynccontextmanager
async def scratch() -> AsyncIterator[BinaryIO]:
    """Give a file that is gone afterwards, in memory while it is small."""
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
        yield cast("BinaryIO", file)


@asynccontextmanager
async def received(request: Request[Any, Any, Any]) -> AsyncIterator[BinaryIO]:
    """Write a body to a file, so that nobody who sends slowly holds a connection or a lock."""
    async with scratch() as file:
        try:
            async for chunk in request.stream():
                file.write(chunk)
        except InternalServerException:  # how the framework says that the sender has gone
            raise Refusal("malformed-request", "The connection closed before the body was whole.") from None
        file.seek(0)
        yield file


async def refuse_bad_lines(conn: Connection, reading: Reading) -> None:
    """Refuse an upload with bad lines, or with lines of one external_id, naming them.

    Raises
    ------
    Refusal
        422, with the lines.
    """
    repeated = await items.repeated(conn, MOST_NAMED)
    errors = [Error(one.message, field=one.field or None, line=bad.line) for bad in reading.bad for one in bad.wrong]
    errors += [
        Error(f"stands on line {one.first_line} already", field="external_id", line=one.line_no) for one in repeated
    ]
    total = reading.bad_total + (repeated[0].total if repeated else 0)
    if total:
        errors.sort(key=lambda error: error.line or 0)
        noun = "1 line is" if total == 1 else f"{total} lines are"
        raise Refusal(
            "invalid-lines", f"{noun} not valid; nothing was stored.", errors=errors[:MOST_NAMED], errors_total=total
        )


async def _store(
    service: Service, conn: Connection, caller: Caller, job_id: str, *, is_gold: bool, read: int
) -> Uploaded:
    """Store what is staged, under the job's lock."""
    now = service.clock.now()
    job = await find_job(conn, caller, job_id, lock=True)
    asked(require_takes_items, job.state, "it takes no items")
    await _refuse_differing(conn, job, is_gold=is_gold)
    added = await items.add_staged(conn, job.job_no, gold=is_gold, at=now)
    if added and is_gold:
        await gold.add_staged(conn, job.job_no, at=now, by=caller.name)
    if added and job.state != "draft":
        if not is_gold:
            refuse_uncovered(job, await estimate_job(service, conn, job))
        await _go_on(conn, job, caller, f"{added} {'gold items' if is_gold else 'items'} added", now)
    there = await items.count(conn, job.job_no)
    return Uploaded(added=added, unchanged=read - added, items=there[0], gold=there[1])


async def _go_on(conn: Connection, job: Job, caller: Caller, what: str, now: datetime) -> None:
    await events.record(conn, job.job_no, now, "items", f"{what} by {caller.name}", {"key_id": caller.key_id})
    await dues.want(conn, "slice", job.job_no, now)


async def _refuse_differing(conn: Connection, job: Job, *, is_gold: bool) -> None:
    differing = await items.differing(conn, job.job_no, gold=is_gold, limit=MOST_NAMED)
    if not differing:
        return
    total = differing[0].total
    noun = "1 item is" if total == 1 else f"{total} items are"
    raise Refusal(
        "items-differ",
        f"{noun} there with other content; nothing was stored. Withdraw them, or send new external_ids.",
        errors=[
            Error(_how(one.fields, one.is_gold, is_gold=is_gold), line=one.line_no, external_id=one.external_id)
            for one in differing
        ],
        errors_total=total,
    )


def _how(fields: list[str], was_gold: bool, *, is_gold: bool) -> str:
    if was_gold != is_gold:
        return f"is there as {'a gold item' if was_gold else 'an item'}"
    return f"is there with another {', '.join(fields)}"


HANDLERS = [add_items, add_gold]
