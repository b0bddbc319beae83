"""Commands that see to requesters, their keys and their money."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from foundation.errors import PlainError
from foundation.money import format_usd, parse_usd
from marketplace.accounts import DEFAULT_REQUESTER
from marketplace.cli.options import as_json, at_desk, table
from marketplace.installation import load_installation_key
from marketplace.refusal import Refused
from marketplace.store import ledger, requesters

if TYPE_CHECKING:
    import asyncpg

    from marketplace.cli.options import Desk
    from marketplace.store.requesters import Requester

_JSON = click.option("--json", "json_", is_flag=True, help="Print JSON for a script.")
_REQUESTER = click.option(
    "--requester", default=DEFAULT_REQUESTER, show_default=True, help="The requester's name or id."
)


@click.group()
def requester() -> None:
    """Make and list those who post work and pay for it."""


@requester.command("create")
@click.argument("name")
@_JSON
@at_desk
async def create_requester(desk: Desk, name: str, json_: bool) -> None:
    """Make a requester; workers see its name."""
    if not name.strip():
        raise click.UsageError("a requester needs a name")
    async with desk.pool.acquire() as conn:
        made, new = await requesters.ensure(conn, name=name.strip(), now=desk.now)
    if not new:
        raise PlainError(f"there is a requester named {made.name} already: {made.requester_id}")
    click.echo(as_json({"requester_id": made.requester_id, "name": made.name}) if json_ else made.requester_id)


@requester.command("list")
@_JSON
@at_desk
async def list_requesters(desk: Desk, json_: bool) -> None:
    """List the requesters with what they can spend."""
    async with desk.pool.acquire() as conn:
        found = await requesters.list_all(conn)
    if json_:
        click.echo(as_json(found))
        return
    lines = [[each.requester_id, each.name, format_usd(each.available_cents)] for each in found]
    click.echo(table(["requester", "name", "available USD"], lines))


@click.group()
def key() -> None:
    """Make, list and revoke the keys with which requesters sign their calls."""


@key.command("create")
@_REQUESTER
@_JSON
@at_desk
async def create_key(desk: Desk, requester: str, json_: bool) -> None:
    """Make a key; its secret is shown this once."""
    installation_key = load_installation_key(desk.settings.data, desk.settings.marketplace.installation_key)
    async with desk.pool.acquire() as conn:
        owner = await _requester(conn, requester)
        access_key, secret = await requesters.create_key(
            conn, requester_id=owner.requester_id, key=installation_key, now=desk.now
        )
    endpoint = f"{desk.settings.base_url}/mturk"
    if json_:
        click.echo(as_json({"access_key": access_key, "secret_key": secret, "endpoint": endpoint}))
        return
    click.echo(f"access key  {access_key}\nsecret key  {secret}\nendpoint    {endpoint}")
    click.echo("The secret is not shown again.", err=True)


@key.command("list")
@_JSON
@at_desk
async def list_keys(desk: Desk, json_: bool) -> None:
    """List the keys, without their secrets."""
    async with desk.pool.acquire() as conn:
        found = await requesters.list_keys(conn)
    if json_:
        click.echo(as_json(found))
        return
    lines = [
        [
            each.access_key,
            each.requester_name,
            f"{each.created_at:%Y-%m-%d}",
            f"revoked {each.revoked_at:%Y-%m-%d}" if each.revoked_at else "good",
        ]
        for each in found
    ]
    click.echo(table(["access key", "requester", "made", "state"], lines))


@key.command("revoke")
@click.argument("access_key")
@at_desk
async def revoke_key(desk: Desk, access_key: str) -> None:
    """Revoke a key; a running marketplace knows of it within five seconds."""
    async with desk.pool.acquire() as conn:
        done = await requesters.revoke_key(conn, access_key, now=desk.now)
    if not done:
        raise PlainError(f"there is no good key {access_key}; 'assay marketplace key list' lists them")
    click.echo(f"{access_key} is revoked")


@click.command()
@click.argument("amount")
@_REQUESTER
@at_desk
async def deposit(desk: Desk, amount: str, requester: str) -> None:
    """Put money into a requester's account: AMOUNT in US dollars."""
    await _move(desk, amount, requester, 1)


@click.command()
@click.argument("amount")
@_REQUESTER
@at_desk
async def withdraw(desk: Desk, amount: str, requester: str) -> None:
    """Take money out of a requester's account: AMOUNT in US dollars, at most what is available."""
    await _move(desk, amount, requester, -1)


@click.command()
@_REQUESTER
@_JSON
@at_desk
async def balance(desk: Desk, requester: str, json_: bool) -> None:
    """Show what a requester can spend, and what is held for open work."""
    async with desk.pool.acquire() as conn:
        owner = await _requester(conn, requester)
        _show(await ledger.balance(conn, requester_id=owner.requester_id), json_=json_)


async def _move(desk: Desk, amount: str, name: str, sign: int) -> None:
    try:
        cents = parse_usd(amount)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if not cents:
        raise click.UsageError("the amount must be more than nothing")
    async with desk.pool.acquire() as conn:
        owner = await _requester(conn, name)
        try:
            after = await ledger.deposit(conn, requester_id=owner.requester_id, cents=sign * cents, now=desk.now)
        except Refused:
            has = await ledger.balance(conn, requester_id=owner.requester_id)
            raise PlainError(f"only {format_usd(has.available_cents)} USD are available to {owner.name}") from None
    _show(after, json_=False)


def _show(balance: ledger.Balance, *, json_: bool) -> None:
    if json_:
        click.echo(as_json({"available_cents": balance.available_cents, "held_cents": balance.held_cents}))
    else:
        click.echo(f"available {format_usd(balance.available_cents)} USD, held {format_usd(balance.held_cents)} USD")


async def _requester(conn: asyncpg.Connection, name_or_id: str) -> Requester:
    found = await requesters.find(conn, name_or_id)
    if found is None:
        known = ", ".join(each.name for each in await requesters.list_all(conn))
        hint = f"there are: {known}" if known else "make one: assay marketplace requester create NAME"
        raise PlainError(f"there is no requester {name_or_id}; {hint}")
    return found


COMMANDS = (requester, key, deposit, withdraw, balance)
