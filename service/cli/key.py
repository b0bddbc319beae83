"""`assay key`: API keys, made directly in the database, as without a key the API lets nobody in."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING

import asyncpg
import click
import msgspec
from rich.console import Console
from rich.table import Table

from foundation.clock import SystemClock
from foundation.errors import PlainError
from foundation.postgres.pool import connect
from service.api.auth import SCOPES
from service.app import SCHEMA
from service.cli.options import with_settings
from service.cli.running.database import database, embedded
from service.cli.running.first_start import DEFAULT_TEAM, make_key
from service.store import keys, teams

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from foundation.settings import Settings

_TEAM = click.option("--team", default=DEFAULT_TEAM, show_default=True, help="The team that the key belongs to.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Write JSON, for scripts.")
_PAGE = 1000


@click.group()
def key() -> None:
    """Make, list and revoke API keys, directly in the database, whether Assay runs or not."""


@key.command()
@with_settings()
@click.option("--name", default="command line", show_default=True, help="What the key is for.")
@_TEAM
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(list(SCOPES)),
    multiple=True,
    help="What the key may do; may be given several times. All by default.",
)
@_JSON
def create(settings: Settings, name: str, team: str, scopes: tuple[str, ...], as_json: bool) -> None:
    """Make a key and show it, this once."""
    asyncio.run(_create(settings, name, team, scopes or tuple(SCOPES), as_json=as_json))


@key.command("list")
@with_settings()
@_TEAM
@_JSON
def list_(settings: Settings, team: str, as_json: bool) -> None:
    """List a team's keys; what they are is known to their holders alone."""
    asyncio.run(_list(settings, team, as_json=as_json))


@key.command()
@with_settings()
@click.argument("key_id")
@_TEAM
def revoke(settings: Settings, key_id: str, team: str) -> None:
    """Make a key useless from now on."""
    asyncio.run(_revoke(settings, key_id, team))


async def _create(settings: Settings, name: str, team: str, scopes: tuple[str, ...], *, as_json: bool) -> None:
    async with _connected(settings) as conn:
        made, secret = await make_key(conn, SystemClock(), team=team, name=name, scopes=scopes)
    if as_json:
        _write({**msgspec.to_builtins(made), "key": secret})
    else:
        click.echo(secret)
        click.echo(f"{made.key_id} of team {team!r}; the key is shown this once", err=True)


async def _list(settings: Settings, team: str, *, as_json: bool) -> None:
    async with _connected(settings) as conn:
        team_id = await _find_team(conn, team)
        found = await keys.page(conn, team_id, after="", limit=_PAGE)
        while len(more := await keys.page(conn, team_id, after=found[-1].key_id if found else "", limit=_PAGE)):
            found += more
    if as_json:
        _write(msgspec.to_builtins(found))
        return
    table = Table("id", "name", "scopes", "made", "revoked", box=None)
    for one in found:
        revoked = one.revoked_at.isoformat(timespec="seconds") if one.revoked_at else ""
        made_at = one.created_at.isoformat(timespec="seconds")
        table.add_row(one.key_id, one.name, " ".join(one.scopes), made_at, revoked)
    Console().print(table)


async def _revoke(settings: Settings, key_id: str, team: str) -> None:
    async with _connected(settings) as conn:
        team_id = await _find_team(conn, team)
        if not await keys.revoke(conn, team_id, key_id, SystemClock().now()):
            raise PlainError(f"team {team!r} has no key {key_id}; 'assay key list' shows those it has")
    click.echo(f"{key_id} is revoked")


@contextlib.asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    async with database(settings, embedded(settings), "service") as dsn:
        connection = await connect(dsn, schema=SCHEMA)
        try:
            async with connection.transaction():
                yield connection
        except asyncpg.CheckViolationError as error:
            raise PlainError(f"a name has 1 to 200 characters ({error.constraint_name})") from None
        finally:
            await connection.close()


async def _find_team(conn: asyncpg.Connection, name: str) -> str:
    team_id = await teams.find(conn, name)
    if team_id is None:
        raise PlainError(f"there is no team {name!r}; it is made with its first key: assay key create --team")
    return team_id


def _write(value: object) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
