"""``assay marketplace``: run a marketplace, and see to its workers, keys and deposits.

Every command works directly on the database, whether the marketplace is running or not.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from marketplace.cli import books, people, serve, standing
from marketplace.cli.options import Options, setting_options

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["marketplace"]


@click.group(invoke_without_command=True)
@setting_options
@click.option("--host", help="The address to listen on; 0.0.0.0 for all.")
@click.option("--port", type=int, help="The port to listen on.")
@click.option("--public-url", help="Where workers and requesters reach it, if not at host and port.")
@click.pass_context
def marketplace(
    ctx: click.Context,
    config: Path | None,
    data: Path | None,
    host: str | None,
    port: int | None,
    public_url: str | None,
) -> None:
    """Run a marketplace alone, or with a command see to its workers, keys and deposits."""
    ctx.obj = Options(config, {"data": data, "host": host, "port": port, "public_url": public_url})
    if ctx.invoked_subcommand is None:
        asyncio.run(serve.run(ctx.obj.settings()))


for command in (*people.COMMANDS, *books.COMMANDS, *standing.COMMANDS):
    marketplace.add_command(command)
