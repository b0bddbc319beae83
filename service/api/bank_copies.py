"""Gold from a bank into jobs, balanced over label values, the least met first; and which jobs have it."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

import numpy as np
from litestar import Request, get, post
from msgspec import Meta, Struct

from gold.ask import AskPolicy, pick_for_job
from service.api.bank_lines import stage_gold
from service.api.bank_supply import refuse_other_labels, telling
from service.api.bodies import JSON, read_json
from service.api.estimates import estimate_job
from service.api.found import asked, find_bank, find_job
from service.api.gold import GoldState, OnlyId
from service.api.gold_banks import BankPath
from service.api.paging import DEFAULT_PAGE, Cursor, Limit, Page, page_of, read_cursor, write_cursor
from service.api.routes import By, Given, JobId, about
from service.app import Service
from service.lifecycle import State, require_takes_items
from service.spec import FromBank, Spec, read_spec
from service.store import dues, events, gold, gold_banks, items
from service.store.dues import Connection
from service.store.gold_banks import Bank, Copy, Offered
from service.store.jobs import Job
from service.store.keys import Caller
from service.upload.line import Accepted, GoldLine

_LARGEST = 16 * 1024


class Copied(Struct, frozen=True):
    """What went from a bank into a job."""

    copied: int
    bank: str
    version: Annotated[int, Meta(description="of the bank, as it was copied from")]
    gold_missing: Annotated[int, Meta(description="gold items that the job's next HITs still lack")]


class CopyView(Struct, frozen=True):
    """A bank's gold in a job."""

    external_id: str
    job_id: str
    name: Annotated[str, Meta(description="the job's")]
    job_state: State
    state: Annotated[GoldState, Meta(description="of the gold in the job")]
    version: Annotated[int, Meta(description="of the gold in the job, which counts for itself")]
    bank_version: Annotated[int, Meta(description="of the bank's item, as it was copied")]


@post(
    "/jobs/{job_id:str}/gold/from-bank",
    operation_id="copyGold",
    summary="Copy gold from a bank",
    status_code=200,
    **about(
        "jobs:write",
        "not-found",
        "not-possible-now",
        "bank-differs",
        "items-differ",
        "invalid-content",
        reads={JSON: FromBank},
        largest=_LARGEST,
    ),
)
async def copy_gold(request: Request[Any, Any, Any], service: Given, caller: By, job_id: JobId) -> Copied:
    """Copy gold from one of the team's banks into the job, by default as much as its next HITs lack.

    Label values take turns, what the fewest workers have met goes first, and what 50 have met stays away. Which version
    of which item went in is kept. A spec's `gold: {bank: …}` does this at launch.
    """
    wanted = await read_json(request, FromBank)
    async with service.pool.acquire() as conn, conn.transaction():
        job = await find_job(conn, caller, job_id, lock=True)
        asked(require_takes_items, job.state, "it takes no gold")
        done = await copy_from_bank(service, conn, job, wanted, caller)
        if done.copied and job.state != "draft":
            await dues.want(conn, "slice", job.job_no, service.clock.now())
    return done


async def copy_from_bank(service: Service, conn: Connection, job: Job, wanted: FromBank, caller: Caller) -> Copied:
    """Copy gold into a job whose row is locked.

    Raises
    ------
    Refusal
        Where there is no such bank, or its gold does not fit the job.
    """
    now = service.clock.now()
    spec = read_spec(job.spec)
    bank = await find_bank(conn, caller, wanted.bank)
    refuse_other_labels(bank, spec.task.labels)
    missing = (await estimate_job(service, conn, job)).gold_missing
    n = missing if wanted.count is None else wanted.count
    chosen = _choose(await telling(conn, bank, job.job_no, spec), bank, spec, n)
    if chosen:
        lines = [
            GoldLine(external_id=one.external_id, payload=one.payload, accepted=_accepted(one, bank)) for one in chosen
        ]
        await stage_gold(conn, lines, spec, unfit=f"Gold of the bank {bank.name!r} does not fit the job")
        await items.add_staged(conn, job.job_no, gold=True, at=now)
        await gold.add_staged(conn, job.job_no, at=now, by=caller.name)
        await gold_banks.keep_origin(conn, job.job_no, bank.bank_no, chosen)
        told = f"{len(chosen)} gold items copied from the bank {bank.name}, version {bank.version}, by {caller.name}"
        await events.record(conn, job.job_no, now, "items", told, {"key_id": caller.key_id})
    return Copied(len(chosen), bank.name, bank.version, max(0, missing - len(chosen)))


def _choose(offered: list[Offered], bank: Bank, spec: Spec, n: int) -> list[Offered]:
    accepted = np.zeros((len(offered), len(spec.task.labels)), dtype=bool)
    for row, one in enumerate(offered):
        accepted[row, [spec.task.labels.index(name) for name in _names(one, bank)]] = True
    exposures = np.array([one.exposures for one in offered], dtype=np.int64)
    seed = secrets.randbits(63) if spec.seed is None else spec.seed
    return [offered[row] for row in pick_for_job(accepted, exposures, AskPolicy(), n=n, seed=seed).tolist()]


def _names(one: Offered, bank: Bank) -> list[str]:
    return [bank.task["labels"][entry["label"]] for entry in one.accepted]


def _accepted(one: Offered, bank: Bank) -> list[str | Accepted]:
    reasons = [entry.get("reason") for entry in one.accepted]
    return [Accepted(name, why) for name, why in zip(_names(one, bank), reasons, strict=True)]


@get(
    "/gold-banks/{bank:str}/copies",
    operation_id="listBankCopies",
    summary="List where a bank's gold is",
    **about("jobs:read", "not-found"),
)
async def list_copies(
    service: Given,
    caller: By,
    bank: BankPath,
    external_id: OnlyId = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_PAGE,
) -> Page[CopyView]:
    """List the jobs that a bank's gold was copied into, item by item: what is corrected in the bank is not in them."""
    number, job_no = read_cursor("bank-copies", cursor, -1, -1)
    only = None if external_id is None else external_id.replace("\0", "\ufffd")  # which no id has
    async with service.pool.acquire() as conn:
        found = await find_bank(conn, caller, bank)
        rows = await gold_banks.copies(
            conn, found.bank_no, after=(int(number), int(job_no)), external_id=only, limit=limit + 1
        )
    return page_of(rows, limit, _view, lambda row: write_cursor("bank-copies", row.bank_item, row.job_no))


def _view(row: Copy) -> CopyView:
    return CopyView(
        external_id=row.external_id,
        job_id=row.job_id,
        name=row.name,
        job_state=row.job_state,  # type: ignore[arg-type]
        state=row.state,  # type: ignore[arg-type]
        version=row.version,
        bank_version=row.bank_version,
    )


HANDLERS = [copy_gold, list_copies]
