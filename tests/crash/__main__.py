"""``python -m tests.crash``: jobs after jobs, killed at every named point and at random moments; prints a report."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import click

from foundation.postgres.embedded import EmbeddedPostgres
from tests.crash.campaign import Report, one_job
from tests.crash.points import ALL
from tests.processes.conftest import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def open_folder(prefix: str) -> Iterator[Path]:
    """Make a folder that Postgres' own user can reach."""
    made = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


async def databases(dsn: str, name: str, apart: bool) -> tuple[str, str]:
    """Make the databases of one job; returns those of service and marketplace."""
    made = [name, f"{name}_marketplace"][: 1 + apart]
    conn = await asyncpg.connect(dsn)
    try:
        for database in made:
            await conn.execute(f'CREATE DATABASE "{database}"')
    finally:
        await conn.close()
    base, _, query = dsn.partition("?")
    dsns = [f"{base.rpartition('/')[0]}/{database}{'?' + query if query else ''}" for database in made]
    return dsns[0], dsns[-1]


async def campaign(dsn: str, seed: int, jobs: int, items: int, every: float) -> list[Report]:
    """Run jobs, apart and all in one by turns; the first of each dies at every named point."""
    reports = []
    for number in range(jobs):
        apart = number % 2 == 0
        ports = (free_port(), free_port())
        with open_folder("assay-crash-") as folder:
            report = await one_job(
                folder,
                await databases(dsn, f"crash_{seed}_{number}", apart),
                ports if apart else (ports[0], ports[0]),
                seed=seed + number,
                n_items=items if number < 2 else 3 * items,  # without named points it goes quickly
                only=None if number < 2 else (),
                every=every,
                seconds=900,
            )
        reports.append(report)
        at_work = sum(kill.crowd for kill in report.random_kills)
        counts = f"{len(report.hits)} of {len(ALL)} points, {len(report.random_kills)} random kills, {at_work} at work"
        state = "; ".join(report.discrepancies) or "the books agree"
        click.echo(
            f"job {number + 1}: {'apart' if apart else 'in one'}, {report.seconds} s, {counts}: {state}", err=True
        )
    return reports


@click.command()
@click.option("--seed", type=int, default=1, show_default=True)
@click.option(
    "--jobs", type=click.IntRange(1), default=6, show_default=True, help="How many, apart and in one by turns."
)
@click.option(
    "--items",
    type=click.IntRange(4),
    default=24,
    show_default=True,
    help="Items of the first two jobs; the others have three times as many.",
)
@click.option(
    "--every",
    type=float,
    default=2.0,
    show_default=True,
    help="Seconds between the first random kills, on average; each wait is a tenth longer.",
)
@click.option("--json", "json_", is_flag=True, help="Print the whole report: each point, the process and its pid.")
def main(seed: int, jobs: int, items: int, every: float, json_: bool) -> None:
    """Kill Assay at every named point and at random moments, and compare its books with the market's."""
    with open_folder("assay-crash-") as data:
        server = EmbeddedPostgres(data / "postgres-data")
        (data / "postgres-data").mkdir()
        dsn = server.start()
        try:
            reports = asyncio.run(campaign(dsn, seed, jobs, items, every))
        finally:
            server.stop()
    if json_:
        click.echo(json.dumps([report.as_dict() for report in reports], indent=1))
    sys.exit(any(report.discrepancies for report in reports))


if __name__ == "__main__":
    main()
