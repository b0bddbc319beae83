"""Answers, gold and truth from files of any origin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from aggregation import LabelTable
from foundation.errors import PlainError
from service.cli.columns import numbers, read, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

_COLUMNS = ["task", "worker", "label"]
_NOWHERE = numbers(np.array([-1]))[0]


@dataclass(frozen=True, eq=False)
class Answers:
    """A table, and what its numbers stand for; texts are Arrow's arrays, as there may be many."""

    table: LabelTable
    tasks: pa.StringArray
    workers: pa.StringArray
    labels: list[str]

    def label_of(self, number: npt.NDArray[np.int64]) -> pa.Array:
        """Name the label values of numbers."""
        return text(self.labels).take(numbers(number))


class Known(NamedTuple):
    """
    The labels that a gold or truth file gives to tasks.

    Attributes
    ----------
    mask : (n_items, n_labels and as many more as only this file has) bool
    strangers : int
        Tasks of the file that nobody answered.
    unheard : list of str
        Label values of the file that nobody gave.

    """

    mask: npt.NDArray[np.bool_]
    strangers: int
    unheard: list[str]


def read_answers(path: Path, gold: pa.Table | None = None, called: Mapping[str, str] = MappingProxyType({})) -> Answers:
    """
    Read answers; label values that only gold has are label values too.

    What columns are called elsewhere, they are called here: of a name that is misspelt no other column takes the place.
    """
    rows = read(path, tuple(called.get(column, column) for column in _COLUMNS)).rename_columns(_COLUMNS)
    if not rows.num_rows:
        raise PlainError(f"{path} has no answers below its header")
    task, tasks = _numbered(rows.column("task"))
    worker, workers = _numbered(rows.column("worker"))
    if len(workers) == 1:
        raise PlainError(f"{path} has one worker alone ({workers[0]}): with nobody to compare there is no consensus")
    label, given = _numbered(rows.column("label"))
    found = given.to_pylist()
    known = _as_spelled(_numbered(gold.column("label"))[1], given).to_pylist() if gold is not None else ()
    labels = sorted({*found, *known}, key=_order)
    if len(labels) == 1:
        raise PlainError(f"{path} has one label value alone ({labels[0]}): there is nothing to infer")
    place = {value: number for number, value in enumerate(labels)}
    label = np.array([place[value] for value in found], dtype=np.int32)[label]
    try:
        table = LabelTable.from_arrays(task, worker, label, n_labels=len(labels))
    except ValueError as error:
        raise PlainError(f"{path} cannot be aggregated: {error}") from None
    return Answers(table, tasks, workers, labels)


def known_labels(path: Path, rows: pa.Table, answers: Answers) -> Known:
    """Find the tasks and label values of a gold or truth file among those of the answers."""
    if not rows.num_rows:
        raise PlainError(f"{path} has no labels below its header")
    task, tasks = _numbered(rows.column("task"))
    label, values = _numbered(rows.column("label"))
    tasks, values = _as_spelled(tasks, answers.tasks), _as_spelled(values, text(answers.labels))
    item = whole(pc.fill_null(pc.index_in(tasks, value_set=answers.tasks), _NOWHERE.cast(pa.int32())))
    met = item >= 0
    if not met.any():
        raise PlainError(f"{path} has no task in common with the answers")
    places = {value: number for number, value in enumerate(answers.labels)}
    heard = {answers.labels[number] for number in np.unique(answers.table.label).tolist()}
    for value in values.to_pylist():
        places.setdefault(value, len(places))
    place = np.array([places[value] for value in values.to_pylist()])
    mask = np.zeros((answers.table.n_items, len(places)), dtype=bool)
    there = met[task]
    mask[item[task[there]], place[label[there]]] = True
    return Known(mask, int((~met).sum()), [value for value in values.to_pylist() if value not in heard])


def text(values: list[str]) -> pa.StringArray:
    """Hold texts as Arrow does."""
    encoded = [value.encode() for value in values]
    ends = np.zeros(len(values) + 1, dtype=np.int32)
    np.cumsum([len(value) for value in encoded], out=ends[1:])
    return pa.StringArray.from_buffers(len(values), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded)))


def _numbered(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int32], pa.StringArray]:
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    return whole(encoded.indices), encoded.dictionary


def _as_spelled(values: pa.StringArray, known: pa.StringArray) -> pa.StringArray:
    """Spell whole numbers as they are known: to pandas 3 is 3.0 where a column once had a gap."""
    if pc.any(pc.is_in(values, value_set=known)).as_py():
        return values
    longer = text([f"{value}.0" for value in values.to_pylist()])
    shorter = pc.replace_substring_regex(values, r"^([+-]?[0-9]+)\.0$", r"\1")
    return max((values, longer, shorter), key=lambda spelled: pc.sum(pc.is_in(spelled, value_set=known)).as_py() or 0)


def _order(value: str) -> tuple[int, float, str]:
    """Order numbers as numbers, before text."""
    try:
        number = float(value)
    except ValueError:
        return (1, 0.0, value)
    return (0, number, value) if math.isfinite(number) else (1, 0.0, value)
