"""`assay replay`: recorded answers through the whole of Assay, and the labels compared with what they imply."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many tasks.")
@click.option("--withhold", type=click.IntRange(min=0), default=0, help="Leave out the last so many answers.")
@click.option("--data", type=click.Path(path_type=Path), help="A data folder to use and keep; otherwise a new one.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def replay(folder: Path, limit: int | None, withhold: int, data: Path | None, as_json: bool) -> None:
    """Send the recorded answers of FOLDER through API, pipeline, market and worker site.

    FOLDER holds labels.csv (task,worker,label), and may hold truth.csv (task,label) and items.jsonl (a task and what
    its workers saw). Each item is one HIT that asks for as many answers as were recorded. At the end the labels that
    the API gives are compared with those that the file implies, computed in a process of their own.
    """
    from rich.console import Console  # noqa: PLC0415 - `assay --help` does without it

    from service.cli.trial.house import House  # noqa: PLC0415
    from service.cli.trial.replayed import replay as run  # noqa: PLC0415

    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="assay-replay-", ignore_cleanup_errors=True) as fresh:
        Path(fresh).chmod(0o755)  # the database's user has to reach its folder
        with (
            console.status("starting") as status,
            House(data or Path(fresh) / "data", env={"ASSAY_LOG_LEVEL": "warning"}) as house,
        ):

            def watch(progress: Mapping[str, Any]) -> None:
                items, hits = progress["items"], progress["hits"]
                status.update(
                    f"{hits['total'] - hits['planned']} of {hits['total']} HITs posted, {progress['answers']} answers, "
                    f"{items['settled']} of {items['total']} items settled, {hits['closed']} HITs closed"
                )

            report = run(house, folder, limit=limit, withhold=withhold, watch=watch)
    if as_json:
        click.echo(json.dumps(report))
    else:
        _show(report)
    if not report["labels_equal"] and not withhold:
        raise SystemExit(1)


def _show(report: Mapping[str, Any]) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(show_header=False, box=None)
    for name, value in report.items():
        table.add_row(name.replace("_", " "), str(value))
    Console().print(table)
