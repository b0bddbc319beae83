"""Gold as it is in force, every version of it, and how it is corrected."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from litestar import Request, get, post
from litestar.params import QueryParameter
from msgspec import Meta, Struct

from service.api.bodies import JSON, read_json
from service.api.found import find_job
from service.api.paging import DEFAULT_PAGE, Cursor, Limit, Page, page_of, read_cursor, write_cursor
from service.api.problems import Error, Refusal, named
from service.api.routes import By, Given, JobId, about
from service.correcting import Correction, StaleError, corrected
from service.lifecycle import OVER
from service.store import dues, events, trust
from service.store import gold as gold_items
from service.store.dues import Connection
from service.store.gold import GoldRow, JobGold, NewVersion
from service.store.jobs import Job
from service.store.keys import Caller
from service.upload.reading import MOST_NAMED

GoldState: TypeAlias = Literal["asked", "retired", "excluded"]

InState: TypeAlias = Annotated[
    GoldState | None, QueryParameter(name="state", description="only gold in this state", required=False)
]
OnlyId: TypeAlias = Annotated[
    str | None, QueryParameter(description="only this gold item's", max_length=255, required=False)
]

LARGEST_CORRECTIONS = 4 * 1024 * 1024


class AcceptedValue(Struct, frozen=True):
    """A label value that is right, and why."""

    label: str
    reason: str | None


class GoldView(Struct, frozen=True):
    """A version of a gold item: what it accepts, and who made it, when and why."""

    external_id: str
    version: int
    state: Annotated[
        GoldState,
        Meta(description="retired gold goes into no more HITs and counts on; excluded gold counts for nobody"),
    ]
    accepted: list[AcceptedValue]
    at: datetime
    by: str
    cause: str


class CopiedFrom(Struct, frozen=True):
    """The version of a bank's item that a job's gold was copied from."""

    bank: str
    version: int


class JobGoldView(GoldView, frozen=True, kw_only=True):
    """A job's gold item in the version in force."""

    copied_from: CopiedFrom | None


class Corrections(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be changed, each gold item once."""

    corrections: Annotated[list[Correction], Meta(min_length=1, max_length=1000)]


class Corrected(Struct, frozen=True):
    """What is in force now, and how much of it was already."""

    changed: int
    unchanged: int
    gold: list[GoldView]


@get("/jobs/{job_id:str}/gold", operation_id="listGold", summary="List gold", **about("jobs:read", "not-found"))
async def list_gold(
    service: Given,
    caller: By,
    job_id: JobId,
    standing: InState = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_PAGE,
) -> Page[JobGoldView]:
    """List a job's gold, each item in the version in force."""
    (after,) = read_cursor("gold", cursor, -1)
    async with service.pool.acquire() as conn:
        job = await find_job(conn, caller, job_id)
        rows = await gold_items.page(conn, job.job_no, after=int(after), state=standing, limit=limit + 1)
    values: list[str] = job.spec["task"]["labels"]
    return page_of(rows, limit, lambda row: _in_job(row, values), lambda row: write_cursor("gold", row.item_no))


@get(
    "/jobs/{job_id:str}/gold/versions",
    operation_id="listGoldVersions",
    summary="List every version of gold",
    **about("jobs:read", "not-found"),
)
async def list_versions(
    service: Given,
    caller: By,
    job_id: JobId,
    external_id: OnlyId = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_PAGE,
) -> Page[GoldView]:
    """List who made which version of a job's gold, when and why, the oldest of each item first."""
    async with service.pool.acquire() as conn:
        job = await find_job(conn, caller, job_id)
        read = partial(gold_items.versions, conn, job.job_no)
        return await page_of_versions("versions", read, cursor, limit, external_id, job.spec["task"]["labels"])


@post(
    "/jobs/{job_id:str}/gold/corrections",
    operation_id="correctGold",
    summary="Correct, retire or exclude gold",
    status_code=200,
    **about(
        "jobs:write",
        "not-found",
        "gold-changed",
        "unknown-items",
        "invalid-content",
        reads={JSON: Corrections},
        largest=LARGEST_CORRECTIONS,
    ),
)
async def correct_gold(request: Request[Any, Any, Any], service: Given, caller: By, job_id: JobId) -> Corrected:
    """Put other accepted label values in force, retire gold, or exclude it, in any state of the job.

    Every version is kept. Everybody is scored again as though the gold had always been so: what an error wrongly cost
    is forgiven, and suspensions that no longer hold are lifted. Labels are inferred again. So it is in a job that is
    over, where nothing is asked again and what is paid stays paid. What says nothing new changes nothing. Where one
    correction cannot be made, none is.
    """
    asked = (await read_json(request, Corrections)).corrections
    now = service.clock.now()
    async with service.pool.acquire() as conn, conn.transaction():
        job = await find_job(conn, caller, job_id, lock=True)
        values: list[str] = job.spec["task"]["labels"]
        ids = [one.external_id for one in asked]
        versions = following(asked, await gold_items.named(conn, job.job_no, ids), values, "job")
        await gold_items.save(conn, job.job_no, versions, at=now, by=caller.name)
        if versions and job.state != "draft":
            await _wake(conn, job, caller, versions, now)
        rows = await gold_items.named(conn, job.job_no, ids)
    return Corrected(len(versions), len(asked) - len(versions), [view(row, values) for row in rows])


def view(row: GoldRow, values: Sequence[str]) -> GoldView:
    """Return a version of a gold item as the API shows it, with its label values by name."""
    return GoldView(
        external_id=row.external_id,
        version=row.version,
        state=row.state,  # type: ignore[arg-type]
        accepted=accepted_values(row.accepted, values),
        at=row.at,
        by=row.by,
        cause=row.cause,
    )


def _in_job(row: JobGold, values: Sequence[str]) -> JobGoldView:
    origin = None if row.bank is None or row.bank_version is None else CopiedFrom(row.bank, row.bank_version)
    return JobGoldView(**msgspec.structs.asdict(view(row, values)), copied_from=origin)


def accepted_values(stored: Sequence[Mapping[str, Any]], values: Sequence[str]) -> list[AcceptedValue]:
    """Return accepted label values by name, as they are stored by their places among the label values."""
    return [AcceptedValue(values[one["label"]], one.get("reason")) for one in stored]


async def page_of_versions(
    kind: str,
    read: Callable[..., Awaitable[list[GoldRow]]],
    cursor: str | None,
    limit: int,
    external_id: str | None,
    values: Sequence[str],
) -> Page[GoldView]:
    """Return a page of the versions of gold; kind: of cursor; read: gives them after a position, of one item or all."""
    number, version = read_cursor(kind, cursor, -1, 0)
    only = None if external_id is None else external_id.replace("\0", "\ufffd")  # which no id has
    rows = await read(after=(int(number), int(version)), external_id=only, limit=limit + 1)
    return page_of(rows, limit, lambda row: view(row, values), lambda row: write_cursor(kind, row.item_no, row.version))


def following(
    asked: Sequence[Correction], there: Sequence[GoldRow], values: Sequence[str], where: str
) -> list[NewVersion]:
    """Return the versions that corrections lead to, of what they change.

    Raises
    ------
    Refusal
        Where one of them cannot be made; where: the job or the bank, to say so.
    """
    rows = {row.external_id: row for row in there}
    unknown = [one.external_id for one in asked if one.external_id not in rows]
    if unknown:
        raise Refusal(
            "unknown-items",
            f"{len(unknown)} of these external_ids are no gold of the {where}; nothing was changed.",
            errors=[Error(f"is no gold of the {where}", external_id=one) for one in unknown[:MOST_NAMED]],
            errors_total=len(unknown),
        )
    try:
        versions, wrong = corrected(asked, rows, values)
    except StaleError as error:
        raise Refusal("gold-changed", str(error)) from None
    if wrong:
        raise Refusal("invalid-content", f"The body is not valid: {wrong[0]}", errors=named(wrong[:MOST_NAMED]))
    return versions


async def _wake(conn: Connection, job: Job, caller: Caller, versions: Sequence[NewVersion], now: datetime) -> None:
    """Have everything that rests on gold be computed again."""
    counts = {kind: sum(one.kind == kind for one in versions) for kind in ("edit", "retire", "exclude")}
    told = ", ".join(f"{count} {past}" for count, past in zip(counts.values(), _PAST, strict=True) if count)
    detail = {"key_id": caller.key_id}
    await events.record(conn, job.job_no, now, "gold", f"gold: {told} by {caller.name}: {versions[0].cause}", detail)
    await trust.correct(conn, job.job_no)
    # Of a job that is over, the labels are inferred once, after everybody is judged.
    for stage in ("score",) if job.state in OVER else ("decide", "infer", "score"):
        await dues.want(conn, stage, job.job_no, now)


_PAST = ("corrected", "retired", "excluded")

HANDLERS = [list_gold, list_versions, correct_gold]
