"""What a person sees while a job runs: bars at a terminal, a line now and then elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

_LINES_EVERY = 0.1  # of the items settled, where there is no terminal


class Screen:
    """Shows progress as GET progress gives it."""

    def __init__(self, console: Console, url: str) -> None:
        self._console, self._url = console, url
        self._bars = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(40),
            TextColumn("{task.fields[text]}"),
            console=console,
            disable=not console.is_terminal,
        )
        names = ("published", "answered", "settled", "spent")
        self._tasks: dict[str, TaskID] = {name: self._bars.add_task(name, text="") for name in names}
        self._told = -1.0

    def __enter__(self) -> Self:
        self._console.print(f"Assay is up at {self._url}; the crowd works at {self._url}/worker", highlight=False)
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def show(self, progress: Mapping[str, Any]) -> None:
        """Show how far a job is."""
        items, hits, budget = progress["items"], progress["hits"], progress["budget"]
        posted, closed = hits["total"] - hits["planned"], hits["closed"]
        spent = f"${budget['spent_cents'] / 100:.2f} of ${budget['limit_cents'] / 100:.2f}"
        at_work = progress["assignments"]["pending"]
        texts = {
            "published": (posted, hits["total"], f"{posted} of {hits['total']} HITs, {closed} closed"),
            "answered": (items["labelled"], items["total"], f"{progress['answers']} answers, {at_work} HITs in work"),
            "settled": (items["settled"], items["total"], f"{items['settled']} of {items['total']} items"),
            "spent": (budget["spent_cents"], budget["limit_cents"], spent),
        }
        for name, (done, total, text) in texts.items():
            self._bars.update(self._tasks[name], completed=done, total=max(total, 1), text=text)
        share = items["settled"] / max(items["total"], 1)
        if not self._console.is_terminal and share >= self._told + _LINES_EVERY:
            self._told = share
            line = "; ".join(f"{name} {text}" for name, (_, _, text) in texts.items())
            self._console.print(line, highlight=False, soft_wrap=True)
