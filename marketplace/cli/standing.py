"""Commands for what the marketplace itself knows of a worker: where they live, that they are of age, a master."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from foundation.errors import PlainError
from marketplace.cli.options import at_desk
from marketplace.refusal import Refused
from marketplace.requirements import ADULT, LOCALE, MASTERS
from marketplace.store import qualifications

if TYPE_CHECKING:
    from marketplace.cli.options import Desk


class Place(click.ParamType[Any]):
    """A country, or a country and its subdivision."""

    name = "place"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str | None]:
        """Read ``US`` or ``US-CA``."""
        country, mark, subdivision = str(value).upper().partition("-")
        if not (len(country) == 2 and country.isascii() and country.isalpha()) or (
            mark and not (1 <= len(subdivision) <= 3 and subdivision.isascii() and subdivision.isalnum())
        ):
            self.fail(f"{value!r} is not a country (US) or a country and its part (US-CA)", param, ctx)
        return country, subdivision or None


@click.command()
@click.argument("worker_id")
@click.option("--place", type=Place(), help="Where the worker lives: US, or US-CA.")
@click.option("--adult/--not-adult", default=None, help="Of age, and agreed to see adult content.")
@click.option("--master/--no-master", default=None, help="A master of this marketplace.")
@at_desk
async def qualify(
    desk: Desk, worker_id: str, place: tuple[str, str | None] | None, adult: bool | None, master: bool | None
) -> None:
    """Say what HITs may ask of a worker: a place, being of age, being a master."""
    if place is None and adult is None and master is None:
        raise click.UsageError("say what: --place, --adult or --master")
    async with desk.pool.acquire() as conn, conn.transaction():
        try:
            if place is not None:
                country, subdivision = place
                await _grant(conn, desk, LOCALE, worker_id, country=country, subdivision=subdivision)
            for type_id, wanted in ((ADULT, adult), (MASTERS, master)):
                if wanted:
                    await _grant(conn, desk, type_id, worker_id, value=1)
                elif wanted is not None:
                    await qualifications.revoke(
                        conn, qualification_type_id=type_id, worker_id=worker_id, reason=None, now=desk.now
                    )
        except Refused as refused:
            raise PlainError(f"{refused.message.rstrip('.')}; 'assay marketplace workers' lists the workers") from None
    click.echo(f"{worker_id} is qualified as said")


async def _grant(conn: Any, desk: Desk, type_id: str, worker_id: str, **held: Any) -> None:
    await qualifications.grant(conn, qualification_type_id=type_id, worker_id=worker_id, now=desk.now, **held)


COMMANDS = (qualify,)
