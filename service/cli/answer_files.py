"""Read answers from files of any origin, and write labels and workers; CSV and Parquet."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

from aggregation import LabelTable
from foundation.errors import PlainError

_PARQUET = {".parquet", ".pq"}
_UTF16 = {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}
# Bytes of memory that a byte of CSV takes while it is read, at most.
_GROWTH = 4


@dataclass(frozen=True, eq=False)
class Answers:
    """A table, and what its numbers stand for."""

    table: LabelTable
    tasks: list[str]
    workers: list[str]
    labels: list[str]


def read(path: Path, columns: tuple[str, ...]) -> pa.Table:
    """Read columns of a file as text; every way in which it can be bad is one line."""
    try:
        size = path.stat().st_size
        if size == 0:
            raise PlainError(f"{path} is empty")
        if size * (_GROWTH if path.suffix.lower() not in _PARQUET else 2 * _GROWTH) > _free_memory():
            raise PlainError(f"{path} is larger than the memory that is free: split it, or use a larger machine")
        table = _read_parquet(path, columns) if path.suffix.lower() in _PARQUET else _read_csv(path, columns)
    except FileNotFoundError:
        raise PlainError(f"there is no file {path}") from None
    except OSError as error:
        raise PlainError(f"{path} cannot be read: {error.strerror or error}") from None
    except (pa.ArrowInvalid, pa.ArrowKeyError, pa.ArrowNotImplementedError) as error:
        raise PlainError(f"{path} cannot be read: {_plain(str(error), columns)}") from None
    for name in columns:
        column = table.column(name)
        empty = pc.sum(pc.or_kleene(pc.is_null(column), pc.equal(column, ""))).as_py()
        if empty:
            raise PlainError(f"{path} has {empty} rows without a {name}: fill them in or leave them out")
    return table


def read_answers(path: Path, gold: pa.Table | None = None) -> Answers:
    """Read answers; label values that only gold has are label values too."""
    rows = read(path, ("task", "worker", "label"))
    if not rows.num_rows:
        raise PlainError(f"{path} has no answers below its header")
    task, tasks = _numbered(rows.column("task"))
    worker, workers = _numbered(rows.column("worker"))
    if len(workers) == 1:
        raise PlainError(f"{path} has one worker alone ({workers[0]}): with nobody to compare there is no consensus")
    label, found = _numbered(rows.column("label"))
    labels = sorted({*found, *(gold.column("label").to_pylist() if gold is not None else ())}, key=_order)
    if len(labels) == 1:
        raise PlainError(f"{path} has one label value alone ({labels[0]}): there is nothing to infer")
    place = {value: number for number, value in enumerate(labels)}
    label = np.array([place[value] for value in found])[label]
    try:
        table = LabelTable.from_arrays(task, worker, label, n_labels=len(labels))
    except ValueError as error:
        raise PlainError(f"{path}: {error}") from None
    return Answers(table, tasks, workers, labels)


def label_mask(path: Path, rows: pa.Table, answers: Answers) -> npt.NDArray[np.bool_]:
    """Mark the label values that a gold or truth file gives to tasks.

    (n_items, n_labels and as many more as only this file has), in that order.
    """
    items = {task: number for number, task in enumerate(answers.tasks)}
    labels = {value: number for number, value in enumerate(answers.labels)}
    for value in rows.column("label").to_pylist():
        labels.setdefault(value, len(labels))
    mask = np.zeros((len(items), len(labels)), dtype=bool)
    for task, label in zip(rows.column("task").to_pylist(), rows.column("label").to_pylist(), strict=True):
        if task in items:
            mask[items[task], labels[label]] = True
    if not mask.any():
        raise PlainError(f"{path} has no task in common with the answers")
    return mask


def write(path: Path, columns: dict[str, Any]) -> None:
    """Write columns as Parquet or, by any other name, as CSV."""
    table = pa.table(columns)
    if not path.parent.is_dir():
        raise PlainError(f"{path} cannot be written: there is no folder {path.parent}")
    try:
        if path.suffix.lower() in _PARQUET:
            parquet.write_table(table, path)
        else:
            csv.write_csv(table, path)
    except OSError as error:
        raise PlainError(f"{path} cannot be written: {error.strerror or error}") from None


def _read_csv(path: Path, columns: tuple[str, ...]) -> pa.Table:
    with path.open("rb") as file:
        if file.read(2) in _UTF16:
            raise pa.ArrowInvalid("not UTF-8")
    convert = csv.ConvertOptions(
        include_columns=list(columns), column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False
    )
    return csv.read_csv(path, convert_options=convert)


def _read_parquet(path: Path, columns: tuple[str, ...]) -> pa.Table:
    missing = [name for name in columns if name not in parquet.read_schema(path).names]
    if missing:
        raise pa.ArrowKeyError(f"'{missing[0]}' not found")
    table = parquet.read_table(path, columns=list(columns))
    return pa.table({name: pc.cast(table.column(name), pa.string()) for name in columns})


def _plain(message: str, columns: tuple[str, ...]) -> str:
    """Say in a line what Arrow says in several."""
    if "UTF8" in message or "UTF-8" in message:
        return "it is not in UTF-8: convert it, as with iconv -f latin1 -t utf8"
    if "Parquet" in message or "parquet" in message:
        return "it is no Parquet file, or a broken one: write it again, or as CSV"
    if "Empty CSV" in message or "\x00" in message:
        return f"it is no table: needed is a line with the names {', '.join(columns)}, and rows below it"
    for name in columns:
        if f"'{name}'" in message and "not" in message:
            return f"it has no column {name}; needed are {', '.join(columns)}, separated by commas"
    return message.splitlines()[0]


def _numbered(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int64], list[str]]:
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    return encoded.indices.to_numpy().astype(np.int64), encoded.dictionary.to_pylist()


def _order(value: str) -> tuple[int, float, str]:
    """Order numbers as numbers, before text."""
    try:
        return (0, float(value), value)
    except ValueError:
        return (1, 0.0, value)


def _free_memory() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return 1 << 62
