"""Send a file of items or gold, of any size, and show how far it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from service.cli.client import Api

FORMS: Final = {"ndjson": "application/x-ndjson", "csv": "text/csv", "json": "application/json"}
_BY_SUFFIX: Final = {".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv", ".json": "json"}
_CHUNK = 256 * 1024


def import_file(api: Api, path: str, file: Path, *, is_gold: bool, form: str | None = None) -> dict[str, Any]:
    """Upload a file to a path of the API; ``-`` is standard input. What it came to is told on standard error."""
    form = form or _BY_SUFFIX.get(file.suffix.lower())
    if form is None:
        raise click.UsageError(f"cannot tell from the name of {file} what it is; give --format ndjson, csv or json")
    from_stdin = str(file) == "-"
    size = None if from_stdin else file.stat().st_size
    headers = {"Content-Type": FORMS[form]} | ({"Content-Length": str(size)} if size is not None else {})
    with _opened(file, from_stdin=from_stdin) as source, _bar() as bar:
        task = bar.add_task(file.name if not from_stdin else "standard input", total=size)

        def chunks() -> Iterator[bytes]:
            while chunk := source.read(_CHUNK):
                yield chunk
                bar.advance(task, len(chunk))

        done: dict[str, Any] = api("POST", path, content=chunks(), headers=headers)
    noun = "gold items" if is_gold else "items"
    click.echo(f"{done['added']} {noun} added, {done['unchanged']} were there already", err=True)
    return done


def _opened(file: Path, *, from_stdin: bool) -> BinaryIO:
    return sys.stdin.buffer if from_stdin else file.open("rb")


def _bar() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
