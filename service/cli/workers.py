"""`assay workers`: what a job's workers are worth."""

from __future__ import annotations

from typing import Any

import click
from rich.table import Column, Table

from service.cli.client import JOB, Api, with_api, write_json


@click.command()
@JOB
@click.option(
    "--sort", type=click.Choice(["accuracy", "answers", "first"]), default="accuracy", show_default=True, help="Order."
)
@with_api
def workers(api: Api, job_id: str, sort: str) -> None:
    """List a job's workers: answers, gold, and the accuracy that gold shows, with the 90% interval."""
    found = list(api.every(f"/jobs/{job_id}/workers"))
    if api.as_json:
        write_json(found)
        return
    if sort == "accuracy":
        found.sort(key=lambda one: (-one["gold"]["low"], -one["answers"]))
    elif sort == "answers":
        found.sort(key=lambda one: -one["answers"])
    table = Table(
        Column("worker", min_width=33, no_wrap=True),
        "answers",
        "gold",
        "accuracy",
        "90% interval",
        "most mistaken",
        box=None,
        pad_edge=False,
    )
    for one in found:
        gold = one["gold"]
        name = one["worker"] + (f" ({one['market_worker_id']})" if "market_worker_id" in one else "")
        mean, interval = (
            ("", "") if not gold["total"] else (f"{gold['mean']:.0%}", f"{gold['low']:.0%}…{gold['high']:.0%}")
        )
        table.add_row(name, str(one["answers"]), f"{gold['right']}/{gold['total']}", mean, interval, _mistake(one))
    api.console.print(table if found else "Nobody has worked on it yet.")


def _mistake(worker: dict[str, Any]) -> str:
    """Name the label value that a worker most often takes for another."""
    confusion = worker["confusion"]
    if confusion is None:
        return ""
    values = confusion["labels"]
    share, true, answered = max(
        (share, true, answered)
        for true, row in enumerate(confusion["rows"])
        for answered, share in enumerate(row)
        if answered != true
    )
    return f"{values[true]} for {values[answered]} {share:.0%}"
