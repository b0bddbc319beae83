"""Gold banks: a team's gold for jobs of one kind, imported, corrected and listed."""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import partial
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.params import PathParameter
from msgspec import Meta, Struct

from service.api.bank_lines import refuse_differing, spec_of
from service.api.bodies import JSON, media_type, read_json
from service.api.found import find_bank
from service.api.gold import (
    LARGEST_CORRECTIONS,
    Corrected,
    Corrections,
    GoldView,
    InState,
    OnlyId,
    following,
    page_of_versions,
    view,
)
from service.api.paging import DEFAULT_PAGE, Cursor, Limit, Page, page_of, read_cursor, write_cursor
from service.api.problems import Refusal, named
from service.api.routes import By, Given, about
from service.api.uploads import FORMS, LARGEST_UPLOAD, received, refuse_bad_lines, scratch
from service.shape import Wrong
from service.spec import BankName, Choice
from service.spec_reading import LARGEST_SPEC
from service.store import gold_banks, items
from service.store.gold_banks import Bank, BankItem
from service.upload.line import GoldLine
from service.upload.reading import read_upload

_JOB_ID = "job_"
BankPath = Annotated[str, PathParameter(description="the bank's name")]


class NewBank(Struct, frozen=True, forbid_unknown_fields=True):
    """A bank to make: its name, and the task of the jobs that it is for."""

    name: BankName
    task: Choice


class BankView(Struct, frozen=True):
    """A gold bank; version grows with each change of it."""

    name: str
    task: Choice
    version: int
    created_at: datetime
    asked: Annotated[int, Meta(description="items that may go into jobs")]
    others: Annotated[int, Meta(description="items that are retired or excluded")]


class BankItemView(GoldView, frozen=True, kw_only=True):
    """A bank's item in the version in force."""

    payload: dict[str, Any]


class Imported(Struct, frozen=True):
    """What an import changed, and the bank's version since."""

    added: int
    unchanged: int
    version: int


@post(
    "/gold-banks",
    operation_id="createGoldBank",
    summary="Make a gold bank",
    **about(
        "jobs:write",
        "invalid-content",
        "bank-differs",
        reads={JSON: NewBank},
        answers={JSON: BankView},
        also={200: "The bank, which was there with the same task"},
        largest=LARGEST_SPEC,
    ),
)
async def create_bank(request: Request[Any, Any, Any], service: Given, caller: By) -> Response[BankView]:
    """Make a bank for jobs of one kind, by the task that their specs have: the same label values and fields."""
    new = await read_json(request, NewBank)
    if new.name.startswith(_JOB_ID):
        wrong = Wrong("name", f"expected a name that begins otherwise than {_JOB_ID}, which a job's id does")
        raise Refusal("invalid-content", f"The body is not valid: {wrong}", errors=named([wrong]))
    task = msgspec.json.decode(msgspec.json.encode(new.task))  # in the types that are stored
    spec_of(task)
    async with service.pool.acquire() as conn, conn.transaction():
        made = await gold_banks.insert(conn, caller.team_id, new.name, task, service.clock.now())
        bank = await find_bank(conn, caller, new.name)
        if bank.task != task:
            raise Refusal("bank-differs", f"There is a gold bank {new.name!r} for another task; take another name.")
    return Response(_view(bank), status_code=201 if made else 200)


@get("/gold-banks", operation_id="listGoldBanks", summary="List gold banks", **about("jobs:read"))
async def list_banks(service: Given, caller: By, cursor: Cursor = None, limit: Limit = DEFAULT_PAGE) -> Page[BankView]:
    """List the team's gold banks by name."""
    (after,) = read_cursor("banks", cursor, "")
    async with service.pool.acquire() as conn:
        rows = await gold_banks.page(conn, caller.team_id, after=str(after), limit=limit + 1)
    return page_of(rows, limit, _view, lambda bank: write_cursor("banks", bank.name))


@get(
    "/gold-banks/{bank:str}",
    operation_id="getGoldBank",
    summary="Get a gold bank",
    **about("jobs:read", "not-found"),
)
async def get_bank(service: Given, caller: By, bank: BankPath) -> BankView:
    """Show a gold bank and how much of it may go into jobs."""
    async with service.pool.acquire() as conn:
        return _view(await find_bank(conn, caller, bank))


@post(
    "/gold-banks/{bank:str}/items",
    operation_id="importGold",
    summary="Import gold into a bank",
    status_code=200,
    **about(
        "jobs:write",
        "not-found",
        "items-differ",
        "invalid-lines",
        reads={"application/x-ndjson": GoldLine, "text/csv": str, JSON: list[GoldLine]},
        largest=LARGEST_UPLOAD,
    ),
)
async def import_gold(request: Request[Any, Any, Any], service: Given, caller: By, bank: BankPath) -> Imported:
    """Import gold as it is uploaded to a job: NDJSON, CSV or a JSON array; all of it is stored, or none.

    What is there already with the same content is left as it is; with other content the import is refused. Redundancy,
    priority and batch are the job's that the gold goes into, and are not kept.
    """
    form = FORMS[media_type(request, *FORMS)]
    async with service.pool.acquire() as conn:
        spec = spec_of((await find_bank(conn, caller, bank)).task)
    async with received(request) as body, scratch() as rows:
        reading = await asyncio.to_thread(read_upload, body, form, spec, gold=True, rows=rows)
        rows.seek(0)
        async with service.pool.acquire() as conn, conn.transaction():
            await items.stage(conn, rows)
            await refuse_bad_lines(conn, reading)
            found = await find_bank(conn, caller, bank, lock=True)
            await refuse_differing(conn, found)
            added = await gold_banks.add_staged(conn, found.bank_no, at=service.clock.now(), by=caller.name)
    return Imported(added, reading.rows - added, found.version + (added > 0))


@get(
    "/gold-banks/{bank:str}/items",
    operation_id="listBankItems",
    summary="List a bank's gold",
    **about("jobs:read", "not-found"),
)
async def list_bank_items(
    service: Given,
    caller: By,
    bank: BankPath,
    standing: InState = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_PAGE,
) -> Page[BankItemView]:
    """List a bank's gold, each item in the version in force, in the order in which it came."""
    (after,) = read_cursor("bank-items", cursor, -1)
    async with service.pool.acquire() as conn:
        found = await find_bank(conn, caller, bank)
        rows = await gold_banks.items(conn, found.bank_no, after=int(after), state=standing, limit=limit + 1)
    values = found.task["labels"]
    return page_of(rows, limit, lambda row: _item(row, values), lambda row: write_cursor("bank-items", row.item_no))


@get(
    "/gold-banks/{bank:str}/versions",
    operation_id="listBankVersions",
    summary="List every version of a bank's gold",
    **about("jobs:read", "not-found"),
)
async def list_bank_versions(
    service: Given,
    caller: By,
    bank: BankPath,
    external_id: OnlyId = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_PAGE,
) -> Page[GoldView]:
    """List who made which version of a bank's gold, when and why, the oldest of each item first."""
    async with service.pool.acquire() as conn:
        found = await find_bank(conn, caller, bank)
        read = partial(gold_banks.versions, conn, found.bank_no)
        return await page_of_versions("bank-versions", read, cursor, limit, external_id, found.task["labels"])


@post(
    "/gold-banks/{bank:str}/corrections",
    operation_id="correctBank",
    summary="Correct, retire or exclude gold of a bank",
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
async def correct_bank(request: Request[Any, Any, Any], service: Given, caller: By, bank: BankPath) -> Corrected:
    """Put other accepted label values in force, retire or exclude; every version is kept.

    Jobs that have the gold already keep theirs: correct it there too.
    """
    asked = (await read_json(request, Corrections)).corrections
    ids = [one.external_id for one in asked]
    async with service.pool.acquire() as conn, conn.transaction():
        found = await find_bank(conn, caller, bank, lock=True)
        values = found.task["labels"]
        versions = following(asked, await gold_banks.named(conn, found.bank_no, ids), values, "bank")
        await gold_banks.save(conn, found.bank_no, versions, at=service.clock.now(), by=caller.name)
        rows = await gold_banks.named(conn, found.bank_no, ids)
    return Corrected(len(versions), len(asked) - len(versions), [view(row, values) for row in rows])


def _view(bank: Bank) -> BankView:
    task = msgspec.convert(bank.task, Choice)
    return BankView(bank.name, task, bank.version, bank.created_at, bank.asked, bank.others)


def _item(row: BankItem, values: list[str]) -> BankItemView:
    return BankItemView(**msgspec.structs.asdict(view(row, values)), payload=row.payload)


HANDLERS = [
    create_bank,
    list_banks,
    get_bank,
    import_gold,
    list_bank_items,
    list_bank_versions,
    correct_bank,
]
