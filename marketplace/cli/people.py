"""Commands that see to the workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from foundation.errors import PlainError
from marketplace.cli.options import as_json, at_desk, table
from marketplace.store import workers

if TYPE_CHECKING:
    from marketplace.cli.options import Desk

_JSON = click.option("--json", "json_", is_flag=True, help="Print JSON for a script.")


@click.command()
@click.option("--name", default="", help="The worker's name; with --count, a number is added.")
@click.option("--email", help="Where the worker can be written to; the marketplace itself sends no mail.")
@click.option("--count", type=click.IntRange(1, 10_000), default=1, show_default=True, help="How many workers.")
@_JSON
@at_desk
async def invite(desk: Desk, name: str, email: str | None, count: int, json_: bool) -> None:
    """Invite workers: prints a link for each, which lets one person choose a password and join."""
    if email and count > 1:
        raise click.UsageError("--email is for one worker; leave --count out")
    names = [name] if count == 1 else [f"{name} {number}".strip() if name else "" for number in range(1, count + 1)]
    async with desk.pool.acquire() as conn:
        invited = await workers.invite(conn, names=names, email=email, now=desk.now)
    links = [
        {"worker_id": worker_id, "name": each, "link": f"{desk.settings.base_url}/worker/join/{token}"}
        for (worker_id, token), each in zip(invited, names, strict=True)
    ]
    if json_:
        click.echo(as_json(links))
        return
    for link in links:
        click.echo("  ".join(part for part in (link["worker_id"], link["name"], link["link"]) if part))
    days = workers.INVITATION_LIFE.days
    click.echo(f"Send each link to one person; it works once, within {days} days.", err=True)


@click.command("workers")
@_JSON
@at_desk
async def list_workers(desk: Desk, json_: bool) -> None:
    """List the workers."""
    async with desk.pool.acquire() as conn:
        found = await workers.list_all(conn)
    rows = [
        {
            "worker_id": worker.worker_id,
            "name": worker.name,
            "email": worker.email,
            "state": worker.state,
            "invited_at": worker.invited_at,
            "joined_at": worker.joined_at,
        }
        for worker in found
    ]
    if json_:
        click.echo(as_json(rows))
    elif not rows:
        click.echo("There are no workers yet. Invite some: assay marketplace invite --count 5")
    else:
        lines = [
            [
                worker.worker_id,
                worker.name,
                worker.state if worker.joined_at else f"{worker.state}, not joined yet",
                f"{worker.joined_at or worker.invited_at:%Y-%m-%d}",
            ]
            for worker in found
        ]
        click.echo(table(["worker", "name", "state", "since"], lines))


@click.command()
@click.argument("worker_id")
@at_desk
async def disable(desk: Desk, worker_id: str) -> None:
    """Keep a worker from signing in and accepting work; what was submitted stays."""
    await _set_state(desk, worker_id, "disabled")


@click.command()
@click.argument("worker_id")
@at_desk
async def enable(desk: Desk, worker_id: str) -> None:
    """Let a disabled worker in again."""
    await _set_state(desk, worker_id, "active")


async def _set_state(desk: Desk, worker_id: str, state: str) -> None:
    async with desk.pool.acquire() as conn:
        done = await workers.set_state(conn, worker_id, state)
    if not done:
        raise PlainError(f"there is no worker {worker_id}; 'assay marketplace workers' lists them")
    click.echo(f"{worker_id} is {state}")


COMMANDS = (invite, list_workers, disable, enable)
