"""`assay items`: bring items and gold into a job, and take items out again."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from service.cli.client import JOB, Api, with_api, write_json
from service.cli.importing import FORMS, import_file

_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
_AT_ONCE = 10_000


@click.group()
def items() -> None:
    """Bring items and gold into a job."""


@items.command("import")
@JOB
@click.argument("file", type=_FILE)
@click.option(
    "--gold", is_flag=True, help="These are gold items: each has `accepted`, the label values that are right."
)
@click.option("--format", "form", type=click.Choice(list(FORMS)), help="What the file is; by its name otherwise.")
@with_api
def import_(api: Api, job_id: str, file: Path, gold: bool, form: str | None) -> None:
    """Upload the items of FILE: NDJSON, CSV with a header, or a JSON array; - is standard input.

    All are stored, or none where a line is bad. To run it again changes nothing.
    """
    done = import_file(api, f"/jobs/{job_id}/{'gold' if gold else 'items'}", file, is_gold=gold, form=form)
    if api.as_json:
        write_json(done)


@items.command()
@JOB
@click.argument("external_ids", nargs=-1)
@click.option("--file", type=_FILE, help="Take external_ids from this file too, one a line.")
@with_api
def withdraw(api: Api, job_id: str, external_ids: tuple[str, ...], file: Path | None) -> None:
    """Ask nothing more about items, by their external_ids."""
    named = [*external_ids]
    if file is not None:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
        named += [line for line in text.splitlines() if line]
    if not named:
        raise click.UsageError("name the items to withdraw, by their external_ids")
    done = {"withdrawn": 0, "settled_before": 0}
    for first in range(0, len(named), _AT_ONCE):
        part = api("POST", f"/jobs/{job_id}/items/withdraw", json={"external_ids": named[first : first + _AT_ONCE]})
        done = {name: done[name] + part[name] for name in done}
    if api.as_json:
        write_json(done)
    else:
        api.console.print(f"{done['withdrawn']} items withdrawn, {done['settled_before']} had been settled before")
