"""`assay workers`: what a job's workers are worth, for the terminal, for a table, and one of them in full."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote

import click
import msgspec
from rich.table import Column, Table

from service.cli.client import JOB, Api, with_api, write_json
from service.cli.labels import write_file
from service.worker_report import Sort
from service.worker_view import State

_FORMS = {".csv": "csv", ".parquet": "parquet", ".ndjson": "ndjson", ".jsonl": "ndjson", ".html": "html"}


@click.command()
@JOB
@click.option("--worker", "worker_id", metavar="WORKER", help="One worker, in full.")
@click.option("--sort", type=click.Choice(get_args(Sort)), default="gold_low", show_default=True, help="Order.")
@click.option("--asc", is_flag=True, help="The least first.")
@click.option("--state", type=click.Choice(get_args(State)), help="Only workers in this state of trust.")
@click.option("--drifting", is_flag=True, help="Only workers in whose work a change was found.")
@click.option("--least-answers", type=click.IntRange(0), default=0, help="Only workers with so many answers.")
@click.option("--csv", "as_csv", is_flag=True, help="Write CSV, every figure of every worker.")
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"Write a file; by its name one of {', '.join(_FORMS)}.",
)
@with_api
def workers(api: Api, job_id: str, worker_id: str | None, as_csv: bool, output: Path | None, **asked: Any) -> None:
    """Report on a job's workers: answers, time, gold, quality, agreement, pay, and what changed.

    Accuracy is what gold shows, with the 90% interval; docs/reports.md says what each figure is.
    """
    if worker_id is not None:
        if as_csv or (output is not None and output.suffix.lower() != ".html"):
            raise click.UsageError("one worker is shown here, as --json, or as a page: --output NAME.html")
        if output is not None:
            with api.stream(f"/jobs/{job_id}/workers/{quote(worker_id, safe='')}", params={"format": "html"}) as page:
                write_file(output, page)
            return
        _show(api, job_id, worker_id)
        return
    asked["order"] = "asc" if asked.pop("asc") or asked["sort"] == "first_seen" else "desc"
    params = {name: str(value).lower() if value is True else value for name, value in asked.items() if value}
    if output is not None and output.suffix.lower() not in _FORMS:
        raise click.UsageError(f"{output.name}: expected a name that ends with one of {', '.join(_FORMS)}")
    form = "csv" if as_csv else "ndjson" if output is None else _FORMS[output.suffix.lower()]
    with api.stream(f"/jobs/{job_id}/workers", params={**params, "format": form}) as chunks:
        if output is not None:
            write_file(output, chunks)
            click.echo(f"workers written to {output}", err=True)
        elif as_csv:
            for chunk in chunks:
                sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
        else:
            _list(api, chunks)


def _list(api: Api, chunks: Iterator[bytes]) -> None:
    found: list[dict[str, Any]] = msgspec.json.Decoder().decode_lines(b"".join(chunks))
    if api.as_json:
        write_json(found)
        return
    names = (
        "state",
        "answers",
        "s/answer",
        "gold",
        "accuracy",
        "90% interval",
        "quality",
        "agrees",
        "$/hour",
        "¢/right",
    )
    table = Table(
        Column("worker", min_width=33, no_wrap=True), *names, "most mistaken", "drift", box=None, pad_edge=False
    )
    for one in found:
        gold = one["gold"]
        name = one["worker"] + (f" ({one['market_worker_id']})" if "market_worker_id" in one else "")
        mean, interval = (
            ("", "") if not gold["total"] else (f"{gold['mean']:.0%}", f"{gold['low']:.0%}…{gold['high']:.0%}")
        )
        table.add_row(
            name,
            one["state"],
            str(one["answers"]),
            _said(one["seconds_per_answer"], "{:.1f}"),
            f"{gold['right']}/{gold['total']}",
            mean,
            interval,
            _said(one["quality"], "{:.2f}"),
            _said(one["agreement"]["share"], "{:.0%}"),
            _said(one["pay_per_hour_cents"], "{:.2f}", 100),
            _said(one["cost_per_right_cents"], "{:.1f}"),
            _mistake(one),
            "; ".join(change["series"] for change in one["drift"]),
        )
    api.console.print(table if found else "Nobody has worked on it yet, or nobody is as was asked for.")


def _show(api: Api, job_id: str, worker_id: str) -> None:
    one = api("GET", f"/jobs/{job_id}/workers/{quote(worker_id, safe='')}")
    if api.as_json:
        write_json(one)
        return
    gold, show = one["gold"], api.console.print
    show(f"{one['worker']} is {one['state']} by {one['state_by']}. {one['reason']}".rstrip())
    show(
        f"{one['answers']} answers in {one['assignments']} assignments, {one['rejected']} rejected; "
        f"{_said(one['active_seconds'], '{:,.0f}') or 'unknown'} seconds at work, "
        f"{_said(one['seconds_per_answer'], '{:.1f}') or 'unknown'} an answer."
    )
    said = f"Gold {gold['right']} of {gold['total']}; accuracy {gold['low']:.0%} to {gold['high']:.0%}."
    show(said if gold["total"] else "No gold answered yet.")
    for label in one["gold_by_label"]:
        show(f"  {label['label']}: {label['right']:g} of {label['total']:g}; {label['low']:.0%} to {label['high']:.0%}")
    figures = [
        ("quality", one["quality"], "{:.2f}", 1),
        ("expected cost", one["expected_cost"], "{:.2f}", 1),
        ("spammer score", one["spammer_score"], "{:.2f}", 1),
        ("agreement", one["agreement"]["share"], "{:.0%}", 1),
        ("paid", one["pay_cents"], "${:.2f}", 100),
        ("an hour", one["pay_per_hour_cents"], "${:.2f}", 100),
        ("a right answer", one["cost_per_right_cents"], "{:.1f} cents", 1),
    ]
    show(
        "; ".join(
            f"{name} {_said(value, form, divisor)}" for name, value, form, divisor in figures if value is not None
        )
    )
    if one["confusion"] is not None:
        values = one["confusion"]["labels"]
        table = Table(Column("true", no_wrap=True), *values, box=None, pad_edge=False)
        for value, row in zip(values, one["confusion"]["rows"], strict=True):
            table.add_row(value, *(f"{share:.0%}" for share in row))
        show(table)
    for change in one["drift"]:
        show(f"{change['at'][:19]}  {change['reason']}")
    for change in one["history"]:
        show(f"{change['at'][:19]}  {change['state']} by {change['by']}: {change['reason']}")


def _said(value: float | None, form: str, divisor: float = 1) -> str:
    return "" if value is None else form.format(value / divisor)


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
