"""A folder of recorded answers: labels.csv, and items.jsonl and truth.csv where there are any."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.cli.trial.house import TrialError


@dataclass(frozen=True)
class Recorded:
    """Recorded answers by task: the last of a worker who answered twice counts.

    Attributes
    ----------
    payloads : mapping
        Of each task that was answered, in the file's order, what its workers saw.
    answers : mapping
        Of each (task, worker), the label.
    repeats : int
        Answers that a later one of the same worker to the same task supersedes.
    labels : tuple of str
        The label values in order: as numbers where all are numbers.
    truth : mapping
        The true label of tasks of which it is known.
    """

    payloads: Mapping[str, dict[str, Any]]
    answers: Mapping[tuple[str, str], str]
    repeats: int
    labels: tuple[str, ...]
    truth: Mapping[str, str]

    @property
    def n_workers(self) -> int:
        """How many workers there are."""
        return len({worker for _, worker in self.answers})

    def redundancy(self) -> Counter[str]:
        """Return how many workers answered each task."""
        return Counter(task for task, _ in self.answers)


def read_recorded(folder: Path, *, limit: int | None = None) -> Recorded:
    """Read a folder of recorded answers, or the first `limit` of its tasks.

    Raises
    ------
    TrialError
        Where a file is missing or is not what it should be.
    """
    rows = list(_rows(folder / "labels.csv", ("task", "worker", "label")))
    if not rows:
        raise TrialError(f"{folder / 'labels.csv'} has no answers")
    shown = _shown(folder / "items.jsonl")
    tasks = list(dict.fromkeys([*shown, *(row["task"] for row in rows)]))
    answered = {row["task"] for row in rows}
    chosen = [task for task in tasks if task in answered][:limit]
    wanted = set(chosen)
    kept = [row for row in rows if row["task"] in wanted]
    answers = {(row["task"], row["worker"]): row["label"] for row in kept}
    truth = {}
    if (folder / "truth.csv").exists():
        truth = {row["task"]: row["label"] for row in _rows(folder / "truth.csv", ("task", "label"))}
    return Recorded(
        payloads={task: shown.get(task, {"id": task}) for task in chosen},
        answers=answers,
        repeats=len(kept) - len(answers),
        labels=_ordered({row["label"] for row in rows} | set(truth.values())),
        truth={task: label for task, label in truth.items() if task in wanted},
    )


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = [column for column in columns if column not in (reader.fieldnames or ())]
            if missing:
                raise TrialError(f"{path} has no column {missing[0]!r}: it needs {', '.join(columns)}")
            yield from reader
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TrialError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _shown(path: Path) -> dict[str, dict[str, Any]]:
    if not path.exists():
        return {}
    shown = {}
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
                shown[str(row.pop("task"))] = row
            except (ValueError, KeyError, AttributeError):
                raise TrialError(f'{path}, line {number}: expected an object with a "task"') from None
    return shown


def _ordered(labels: set[str]) -> tuple[str, ...]:
    try:
        return tuple(sorted(labels, key=int))
    except ValueError:
        return tuple(sorted(labels))
