"""Recorded answers of real workers, from a folder of ``labels.csv`` and, maybe, ``items.jsonl``."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from simulation.pages import collapse

if TYPE_CHECKING:
    from pathlib import Path


class RecordingError(Exception):
    """A recording that cannot be read; the message says where and what was expected."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One worker's answer to one task; ``row`` is its place in the file."""

    row: int
    task: str
    worker: str
    label: str


@dataclass(frozen=True)
class Recording:
    """What workers answered, and what they saw.

    Attributes
    ----------
    answers
        One answer per worker and task, in the file's order; of a repeated pair the last.
    shown
        What is visible of each task: its text, or its own id where there is no ``items.jsonl``.
    repeats_dropped
        Answers left out because the same worker answered the same task again later.
    withheld
        Answers left out because the caller wanted them missing.
    """

    answers: tuple[Recorded, ...]
    shown: dict[str, str]
    repeats_dropped: int
    withheld: int

    @property
    def workers(self) -> list[str]:
        """The recorded workers, in order of their first answer."""
        return list(dict.fromkeys(answer.worker for answer in self.answers))

    @cached_property
    def tasks_by_content(self) -> dict[str, list[str]]:
        """The tasks that show each content; two tasks may look the same."""
        tasks: dict[str, list[str]] = defaultdict(list)
        for task, content in self.shown.items():
            tasks[content].append(task)
        return dict(tasks)


def read_recording(folder: Path, *, limit: int | None = None, withhold: int = 0) -> Recording:
    """Read a recording.

    Parameters
    ----------
    folder
        Holds ``labels.csv`` (columns task, worker, label) and maybe ``items.jsonl`` (task, text).
    limit
        Only the first so many tasks: in the order of ``items.jsonl``, or else of their first answer.
    withhold
        Leave out the last so many answers.

    Raises
    ------
    RecordingError
        Where a file is missing or a line is not as expected.
    """
    rows = _read_labels(folder / "labels.csv")
    items = folder / "items.jsonl"
    shown = _read_items(items) if items.exists() else {row.task: collapse(row.task) for row in rows}
    missing = next((row for row in rows if row.task not in shown), None)
    if missing:
        raise RecordingError(f"labels.csv, line {missing.row + 2}: task {missing.task!r} is not in items.jsonl")
    if limit is not None:
        shown = dict(list(shown.items())[:limit])
    rows = [row for row in rows if row.task in shown]
    last = {(row.task, row.worker): row for row in rows}
    answers = sorted(last.values(), key=lambda row: row.row)
    kept = answers[: max(0, len(answers) - withhold)]
    return Recording(tuple(kept), shown, len(rows) - len(answers), len(answers) - len(kept))


def _read_labels(path: Path) -> list[Recorded]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if not {"task", "worker", "label"} <= set(reader.fieldnames or ()):
                raise RecordingError(f"{path}: the first line must name the columns task, worker and label")
            rows = [
                Recorded(number, line["task"], line["worker"], line["label"].strip())
                for number, line in enumerate(reader)
            ]
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror}") from error
    if not rows:
        raise RecordingError(f"{path}: there are no answers in it")
    return rows


def _read_items(path: Path) -> dict[str, str]:
    shown = {}
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
                shown[str(row["task"])] = collapse(str(row["text"]))
            except (ValueError, KeyError, TypeError) as error:
                raise RecordingError(f'{path}, line {number}: expected {{"task": ..., "text": ...}}') from error
    return shown
