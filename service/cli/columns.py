"""Read and write columns of CSV and Parquet files; every way in which a file can be bad is one line.

Arrow converts Python's values only after importing pandas, a third of a second; so it is given its own arrays or
buffers of numbers here, and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

from foundation.errors import PlainError
from service.cli import source_files
from service.cli.delimited import ends_in, match, read_csv

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from service.cli.delimited import Names

_PARQUET = {".parquet", ".pq"}
_PACKED = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}
# What else tables are kept in: a CSV file by such a name would not open.
_OTHERS = {".xlsx", ".xls", ".ods", ".json", ".jsonl", ".feather", ".arrow", ".orc", ".zip", ".db", ".html"}
# Whole numbers up to here are the same as floats.
_LARGEST_WHOLE = 2.0**53


def read(path: Path, columns: tuple[str, ...], called: Mapping[str, str] = MappingProxyType({})) -> pa.Table:
    """
    Read columns of a file as text, without spaces around; ``-`` is standard input.

    ``called`` gives other names that they may have.
    """
    name = "standard input" if str(path) == "-" else str(path)
    try:
        source = source_files.find(path)
        names = [(called[column], column) if column in called else (column,) for column in columns]
        table = _read_parquet(source, names) if source.is_parquet else read_csv(source, names)
    except FileNotFoundError:
        raise PlainError(f"there is no file {name}") from None
    except MemoryError:
        raise PlainError(source_files.too_large(name)) from None
    except OSError as error:
        raise PlainError(f"{name} cannot be read: {_plain(error.strerror or str(error))}") from None
    except (pa.ArrowException, ValueError) as error:
        raise PlainError(f"{name} cannot be read: {_plain(str(error))}") from None
    table = pa.table({column: pc.utf8_trim_whitespace(table.column(n)) for n, column in enumerate(columns)})
    for column in columns:
        _check_text(name, column, table.column(column))
    return table


def check_places(places: tuple[Path | None, ...], given: tuple[Path | None, ...]) -> None:
    """Raise PlainError where files cannot be written, or are ones that were given, before any work is done for them."""
    named = [place for place in places if place is not None]
    for number, path in enumerate(named):
        if str(path) == "-":
            raise PlainError("- is no file to write to: name one")
        if path.is_dir():
            raise PlainError(f"{path} cannot be written: it is a folder; name a file in it")
        if path.suffix.lower() in _OTHERS:
            raise PlainError(f"{path} cannot be written: name a file that ends with .csv, .tsv, .parquet or .csv.gz")
        if not path.parent.is_dir():
            raise PlainError(f"{path} cannot be written: there is no folder {path.parent}")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise PlainError(f"{path} cannot be written: you have no permission to")
        if path in named[:number]:
            raise PlainError(f"{path} cannot hold both labels and workers: name two files")
        if any(other is not None and path.is_file() and other.exists() and path.samefile(other) for other in given):
            raise PlainError(f"{path} is read here: write to another file")


def write(path: Path, columns: dict[str, Any]) -> None:
    """
    Write arrays of numbers or of Arrow as Parquet, with tabs (.tsv) or, by any other name, as CSV; packed (.gz) too.

    A file is there whole or, where writing fails, as it was before.
    """
    table = pa.Table.from_arrays([_array(values) for values in columns.values()], list(columns))
    suffix, packed = path.suffix.lower(), _PACKED.get(path.suffix.lower())
    if packed:
        suffix = Path(path.stem).suffix.lower()
    try:
        with _replaced(path) as place:
            if suffix in _PARQUET and not packed:
                parquet.write_table(table, place)
                return
            with pa.output_stream(place, compression=packed) as file:
                csv.write_csv(table, file, csv.WriteOptions(delimiter=ends_in(suffix)))
    except OSError as error:
        raise PlainError(f"{path} cannot be written: {_plain(error.strerror or str(error))}") from None


@contextlib.contextmanager
def _replaced(path: Path) -> Iterator[str]:
    """Give a place beside a file to write to, which takes the place of the file when all is written."""
    if path.exists() and (not path.is_file() or not os.access(path.resolve().parent, os.W_OK)):
        yield str(path)  # a pipe or a device, or a file whose neighbours are not ours
        return
    path = path.resolve()
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield str(beside)
        if path.exists():
            shutil.copymode(path, beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def numbers(values: npt.NDArray[Any]) -> pa.Array:
    """Hold an array of numbers as Arrow does."""
    values = np.ascontiguousarray(values)
    kind = pa.int64() if values.dtype.kind in "iu" else pa.float64()
    values = values.astype(np.int64 if values.dtype.kind in "iu" else np.float64, copy=False)
    return pa.Array.from_buffers(kind, values.size, [None, pa.py_buffer(values)])


def whole(values: pa.Int32Array) -> npt.NDArray[np.int32]:
    """Read whole numbers of which none is missing."""
    return np.frombuffer(values.buffers()[1], np.int32, len(values), values.offset * 4)


def _array(values: Any) -> Any:
    return numbers(values) if isinstance(values, np.ndarray) else values


def _read_parquet(source: source_files.Source, columns: Names) -> pa.Table:
    file = parquet.ParquetFile(source.seekable())
    names = match(file.schema_arrow.names, columns, "of text or numbers")
    table = file.read(columns=names)
    return pa.Table.from_arrays([_text(table.column(name), name) for name in names], names)


def _text(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Turn a column into text; whole numbers that are stored as floats, as pandas does beside gaps, are whole."""
    try:
        if pa.types.is_floating(column.type):
            column = pc.if_else(pc.is_nan(column), pa.nulls(1, column.type)[0], column)
            same = pc.and_(pc.equal(pc.floor(column), column), pc.less_equal(pc.abs(column), _LARGEST_WHOLE))
            column = pc.cast(column, pa.int64()) if pc.all(same).as_py() is not False else column
        return pc.cast(column, pa.string())
    except pa.ArrowNotImplementedError:
        raise ValueError(f"its column {name} holds {column.type}: needed are text or numbers") from None


def _check_text(name: str, column: str, values: pa.ChunkedArray) -> None:
    lengths = pc.min(pc.binary_length(values)).as_py()
    if values.null_count or lengths == 0:
        empty = values.null_count + sum(one == "" for chunk in values.chunks for one in chunk.to_pylist())
        rows = "1 row" if empty == 1 else f"{empty:,} rows"
        raise PlainError(f"{name} has {rows} without a {column}: fill them in or leave them out")
    if pc.any(pc.match_substring(values, "\0")).as_py():
        raise PlainError(f"{name} has NUL bytes in the column {column}: it is no text, or broken")


def _plain(message: str) -> str:
    """Say in a line what Arrow says in several."""
    if "UTF8" in message or "UTF-8 data" in message:
        return "it is not in UTF-8: convert it, as with iconv -f latin1 -t utf-8"
    if "Parquet" in message or "parquet" in message:
        return "it is no Parquet file, or a broken one: write it again, or as CSV"
    cause = message.rpartition("Detail: [errno ")[2].partition("] ")[2]  # what the system said, in Arrow's words
    return cause or (message.splitlines()[0] if message else "it is broken")
