"""Items as they are stored: listed, withdrawn."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from litestar import Request, get, post
from litestar.params import QueryParameter
from msgspec import Meta, Struct

from service.api.bodies import JSON, read_json
from service.api.found import asked, find_job
from service.api.paging import DEFAULT_PAGE, Cursor, Limit, Page, page_of, read_cursor, write_cursor
from service.api.problems import Error, Refusal
from service.api.routes import By, Given, JobId, about
from service.lifecycle import require_takes_items
from service.store import dues, events, items
from service.store import gold as gold_items
from service.store.items import Item
from service.upload.reading import MOST_NAMED

ItemState: TypeAlias = Literal["open", "settled"]
SettledBy: TypeAlias = Literal["target", "maximum", "withdrawn", "person"]
Standing: TypeAlias = Annotated[
    ItemState | None, QueryParameter(name="state", description="only items in this state", required=False)
]

_MOST_WITHDRAWN = 10_000
_LARGEST = 4 * 1024 * 1024


class AcceptedLabel(Struct, frozen=True):
    """A label value that is right for a gold item, and why."""

    label: str
    reason: str | None


class ItemView(Struct, frozen=True):
    """An item, with the redundancy that is in effect for it."""

    external_id: str
    payload: dict[str, Any]
    gold: bool
    accepted: Annotated[list[AcceptedLabel] | None, Meta(description="of a gold item: the label values that are right")]
    minimum: int
    maximum: int
    target_confidence: float
    priority: int
    batch: str | None
    state: ItemState
    settled_by: SettledBy | None
    settled_at: datetime | None
    created_at: datetime


class Withdrawal(Struct, forbid_unknown_fields=True):
    """The items to withdraw."""

    external_ids: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=255)]], Meta(min_length=1, max_length=_MOST_WITHDRAWN)
    ]


class Withdrawn(Struct, frozen=True):
    """How many items are withdrawn now that were open before, and how many had been settled."""

    withdrawn: int
    settled_before: int


@get("/jobs/{job_id:str}/items", operation_id="listItems", summary="List items", **about("jobs:read", "not-found"))
async def list_items(
    service: Given,
    caller: By,
    job_id: JobId,
    gold: Annotated[bool | None, QueryParameter(description="only gold items, or only others", required=False)] = None,
    standing: Standing = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_PAGE,
) -> Page[ItemView]:
    """List a job's items and gold items in the order in which they came."""
    (after,) = read_cursor("items", cursor, -1)
    async with service.pool.acquire() as conn:
        job = await find_job(conn, caller, job_id)
        rows = await items.page(conn, job.job_no, after=int(after), gold=gold, state=standing, limit=limit + 1)
    values: list[str] = job.spec["task"]["labels"]
    return page_of(rows, limit, lambda item: _view(item, values), lambda item: write_cursor("items", item.item_no))


@post(
    "/jobs/{job_id:str}/items/withdraw",
    operation_id="withdrawItems",
    summary="Withdraw items",
    status_code=200,
    **about(
        "jobs:write",
        "not-found",
        "not-possible-now",
        "unknown-items",
        "invalid-content",
        reads={JSON: Withdrawal},
        largest=_LARGEST,
    ),
)
async def withdraw_items(request: Request[Any, Any, Any], service: Given, caller: By, job_id: JobId) -> Withdrawn:
    """Ask nothing more about items or gold items. What is settled already stays as it is.

    Where the job has not all of them, none is withdrawn.
    """
    named = list(dict.fromkeys((await read_json(request, Withdrawal)).external_ids))
    now = service.clock.now()
    async with service.pool.acquire() as conn, conn.transaction():
        job = await find_job(conn, caller, job_id, lock=True)
        asked(require_takes_items, job.state, "no items can be withdrawn")
        unknown, total = await items.unknown(conn, job.job_no, named, MOST_NAMED)
        if unknown:
            raise Refusal(
                "unknown-items",
                f"{total} of these external_ids are not in the job; nothing was changed.",
                errors=[Error("is not in the job", external_id=one) for one in unknown],
                errors_total=total,
            )
        withdrawn, of_gold = await items.withdraw(conn, job.job_no, named, now)
        if of_gold:
            await gold_items.exclude_withdrawn(conn, job.job_no, named, at=now, by=caller.name)
        if withdrawn and job.state != "draft":
            message = f"{withdrawn} items withdrawn by {caller.name}"
            await events.record(conn, job.job_no, now, "items", message, {"key_id": caller.key_id})
            for stage in ("decide", "infer", "score") if of_gold else ("decide",):
                await dues.want(conn, stage, job.job_no, now)
    return Withdrawn(withdrawn=withdrawn, settled_before=len(named) - withdrawn)


def _view(item: Item, values: list[str]) -> ItemView:
    return ItemView(
        external_id=item.external_id,
        payload=item.payload,
        gold=item.is_gold,
        accepted=None
        if item.accepted is None
        else [AcceptedLabel(values[one["label"]], one.get("reason")) for one in item.accepted],
        minimum=item.minimum,
        maximum=item.maximum,
        target_confidence=item.target,
        priority=item.priority,
        batch=item.batch,
        state=item.state,  # type: ignore[arg-type]
        settled_by=item.settled_by,  # type: ignore[arg-type]
        settled_at=item.settled_at,
        created_at=item.created_at,
    )


HANDLERS = [list_items, withdraw_items]
