"""Watch a job: bars at a terminal, a line whenever something moved elsewhere."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from service.cli.client import Api
from service.cli.money import dollars

_OVER: Final = ("done", "cancelled")
_EVENTS = 5
_BAR = 40


def watch_job(api: Api, job_id: str, *, every: float, stay: bool) -> int:
    """Show a job's progress until it is over; returns the exit code."""
    looks = _looks(api, job_id, every=every, stay=stay)
    try:
        at_terminal = api.console.is_terminal and not api.as_json
        last = (_live if at_terminal else _lines)(api, looks)
    except KeyboardInterrupt:
        api.console.print("Stopped watching; the job goes on.")
        return 130
    if last["state"] == "paused":
        api.console.print(f"The job is paused: {last['pause_reason']}")
    return 0 if last["state"] == "done" else 1


def _looks(api: Api, job_id: str, *, every: float, stay: bool) -> Iterator[dict[str, Any]]:
    while True:
        progress = api("GET", f"/jobs/{job_id}/progress")
        yield progress
        if progress["state"] in _OVER or (progress["state"] == "paused" and not stay):
            return
        time.sleep(every)


def _live(api: Api, looks: Iterator[dict[str, Any]]) -> dict[str, Any]:
    last = next(looks)
    with Live(_screen(last), console=api.console, auto_refresh=False) as live:
        for last in looks:
            live.update(_screen(last), refresh=True)
    return last


def _lines(api: Api, looks: Iterator[dict[str, Any]]) -> dict[str, Any]:
    said = ""
    for progress in looks:
        last = progress
        line = "; ".join([progress["state"], *(f"{name} {text}" for name, _, _, text in _rows(progress))])
        if line != said:
            said = line
            if api.as_json:
                _write_line(progress)
            else:
                api.console.print(line, soft_wrap=True)
    return last


def _write_line(progress: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(progress, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _rows(progress: Mapping[str, Any]) -> Iterator[tuple[str, int, int, str]]:
    """Yield (name, done, total, text) of each bar."""
    items, hits, budget = progress["items"], progress["hits"], progress["budget"]
    posted = hits["total"] - hits["planned"]
    at_work = progress["assignments"]["pending"]
    yield "posted", posted, hits["total"], f"{posted} of {hits['total']} HITs, {hits['closed']} closed"
    workers = f"{progress['answers']} answers from {progress['workers']} workers, {at_work} HITs in work"
    yield "answered", items["labelled"], items["total"], workers
    yield "settled", items["settled"], items["total"], f"{items['settled']} of {items['total']} items"
    spent, limit = budget["spent_cents"], budget["limit_cents"]
    yield "spent", spent, limit, f"{dollars(spent)} of {dollars(limit)}, {dollars(budget['reserved_cents'])} promised"


def _screen(progress: Mapping[str, Any]) -> RenderableType:
    state = progress["state"] + (f": {progress['pause_reason']}" if progress["pause_reason"] else "")
    bars = Table(box=None, show_header=False, pad_edge=False)
    for name, done, total, text in _rows(progress):
        bars.add_row(name, ProgressBar(total=max(total, 1), completed=done, width=_BAR), text)
    events = [
        Text(f"{event['at'][11:19]} {event['message']}", style="dim", overflow="ellipsis", no_wrap=True)
        for event in reversed(progress["events"][:_EVENTS])
    ]
    return Group(Text(f"{progress['job_id']} is {state}", style="bold"), bars, *events)
