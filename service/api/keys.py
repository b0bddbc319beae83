"""API keys of the caller's team."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from litestar import Request, delete, get, post
from msgspec import Meta, Struct

from foundation.ids import is_id, new_id
from service.api.auth import SCOPES, Scope, hash_key, new_key
from service.api.bodies import JSON, read_json
from service.api.paging import DEFAULT_PAGE, Cursor, Limit, Page, page_of, read_cursor, write_cursor
from service.api.problems import Refusal, not_found
from service.api.routes import By, Given, KeyId, about
from service.store import keys
from service.store.keys import Key

_SMALL = 64 * 1024


class NewKey(Struct, forbid_unknown_fields=True):
    """An API key to make."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    scopes: Annotated[
        list[Scope], Meta(min_length=1, max_length=len(SCOPES), description="some of " + ", ".join(SCOPES))
    ]


class KeyView(Struct, frozen=True, kw_only=True):
    """An API key, without its secret."""

    key_id: str
    name: str
    scopes: list[str]
    created_at: datetime
    revoked_at: datetime | None


class MadeKey(KeyView, frozen=True, kw_only=True):
    """An API key with its secret, which is shown this once."""

    key: str


@get("/keys", operation_id="listKeys", summary="List API keys", **about("keys:write"))
async def list_keys(service: Given, caller: By, cursor: Cursor = None, limit: Limit = DEFAULT_PAGE) -> Page[KeyView]:
    """List the team's API keys, the oldest first, without their secrets."""
    (after,) = read_cursor("keys", cursor, "")
    async with service.pool.acquire() as conn:
        rows = await keys.page(conn, caller.team_id, after=str(after), limit=limit + 1)
    return page_of(rows, limit, _view, lambda key: write_cursor("keys", key.key_id))


@post(
    "/keys",
    operation_id="createKey",
    summary="Make an API key",
    **about("keys:write", "invalid-content", reads={JSON: NewKey}, largest=_SMALL),
)
async def create_key(request: Request[Any, Any, Any], service: Given, caller: By) -> MadeKey:
    """Make an API key of the team, with scopes that one's own key has. Its secret is in this answer alone."""
    asked = await read_json(request, NewKey)
    beyond = sorted(set(asked.scopes) - set(caller.scopes))
    if beyond:
        raise Refusal("forbidden", f"A key gives no scopes that it does not have: {', '.join(beyond)}.")
    secret = new_key()
    async with service.pool.acquire() as conn:
        made = await keys.insert(
            conn,
            key_id=new_id("key", service.clock),
            team_id=caller.team_id,
            name=asked.name,
            key_hash=hash_key(secret),
            scopes=[scope for scope in SCOPES if scope in asked.scopes],
            at=service.clock.now(),
        )
    return MadeKey(
        key_id=made.key_id,
        name=made.name,
        scopes=made.scopes,
        created_at=made.created_at,
        revoked_at=None,
        key=secret,
    )


@delete(
    "/keys/{key_id:str}",
    operation_id="revokeKey",
    summary="Revoke an API key",
    **about("keys:write", "not-found"),
)
async def revoke_key(service: Given, caller: By, key_id: KeyId) -> None:
    """Make an API key useless, at once and for good."""
    revoked = False
    if is_id("key", key_id):
        async with service.pool.acquire() as conn:
            revoked = await keys.revoke(conn, caller.team_id, key_id, service.clock.now())
    if not revoked:
        raise not_found("API key")


def _view(key: Key) -> KeyView:
    return KeyView(
        key_id=key.key_id, name=key.name, scopes=key.scopes, created_at=key.created_at, revoked_at=key.revoked_at
    )


HANDLERS = [list_keys, create_key, revoke_key]
