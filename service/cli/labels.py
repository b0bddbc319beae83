"""`assay labels`: take labels out of a job."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import click

from service.cli.client import JOB, Api, with_api


@click.group()
def labels() -> None:
    """Take labels out of a job."""


@labels.command()
@JOB
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="A file; standard output otherwise."
)
@click.option("--format", "form", type=click.Choice(["csv", "ndjson"]), help="By the name of the file, or csv.")
@click.option("--gold", is_flag=True, help="Gold items too.")
@click.option("--state", type=click.Choice(["open", "settled"]), help="Only items in this state.")
@with_api
def export(api: Api, job_id: str, output: Path | None, form: str | None, gold: bool, state: str | None) -> None:
    """Write the labels as they stand: label, confidence, probabilities, and how each item was settled.

    --json writes NDJSON, a line for each item.
    """
    by_name = output is not None and output.suffix.lower() in {".ndjson", ".jsonl"}
    form = form or ("ndjson" if api.as_json or by_name else "csv")
    params = {"format": form, "gold": str(gold).lower(), **({"state": state} if state else {})}
    with api.stream(f"/jobs/{job_id}/labels", params=params) as chunks:
        if output is None:
            for chunk in chunks:
                sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
        else:
            lines = write_file(output, chunks)
            click.echo(f"{lines - (form == 'csv')} labels written to {output}", err=True)


def write_file(output: Path, chunks: Iterable[bytes]) -> int:
    """Write a file that is whole or not there; returns how many lines it has."""
    lines = 0
    try:
        handle, name = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.")
    except OSError as error:
        raise click.UsageError(f"cannot write to {output.parent}: {error.strerror}") from None
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            for chunk in chunks:
                lines += chunk.count(b"\n")
                file.write(chunk)
        mask = os.umask(0)
        os.umask(mask)
        part.chmod(0o666 & ~mask)
        part.replace(output)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    return lines
