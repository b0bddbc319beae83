"""Read and write columns of CSV and Parquet files; every way in which a file can be bad is one line.

Arrow converts Python's values only after importing pandas, a third of a second; so it is given its own arrays or
buffers of numbers here, and nothing else.
"""

from __future__ import annotations

import codecs
import csv as plain_csv
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

from foundation.errors import PlainError

_PARQUET = {".parquet", ".pq"}
_PACKED = {".gz", ".bz2", ".zst", ".lz4"}
_TABS = {".tsv", ".tab"}
_MAGIC = b"PAR1"
_UTF16 = {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}
# Bytes of memory that a byte of a file takes while it is read, at most.
_GROWTH = 4
_GROWTH_PACKED = 12
_HEADER = 1 << 16
_SHOWN = 60  # characters of a bad row


def read(path: Path, columns: tuple[str, ...]) -> pa.Table:
    """Read columns of a file as text; ``-`` is standard input."""
    name = "standard input" if str(path) == "-" else str(path)
    try:
        source = _opened(path, name)
        start = _head(path, source)
        if not start:
            raise PlainError(f"{name} is empty")
        if start.startswith(_MAGIC) or path.suffix.lower() in _PARQUET:
            table = _read_parquet(source, columns)
        else:
            table = _read_csv(path, source, start, columns)
    except FileNotFoundError:
        raise PlainError(f"there is no file {name}") from None
    except MemoryError:
        raise PlainError(f"{name} is larger than the memory that is free: split it, or use a larger machine") from None
    except OSError as error:
        raise PlainError(f"{name} cannot be read: {error.strerror or _plain(str(error))}") from None
    except (pa.ArrowException, ValueError) as error:
        raise PlainError(f"{name} cannot be read: {_plain(str(error))}") from None
    for column in columns:
        _check_text(name, column, table.column(column))
    return table


def check_places(places: tuple[Path | None, ...], given: tuple[Path | None, ...]) -> None:
    """Raise PlainError where files cannot be written, or are ones that were given, before any work is done for them."""
    named = [place for place in places if place is not None]
    for number, path in enumerate(named):
        if path.is_dir():
            raise PlainError(f"{path} cannot be written: it is a folder; name a file in it")
        if not path.parent.is_dir():
            raise PlainError(f"{path} cannot be written: there is no folder {path.parent}")
        if path in named[:number]:
            raise PlainError(f"{path} cannot hold both labels and workers: name two files")
        if any(other is not None and path.is_file() and other.exists() and path.samefile(other) for other in given):
            raise PlainError(f"{path} is read here: write to another file")


def write(path: Path, columns: dict[str, Any]) -> None:
    """Write arrays of numbers or of Arrow as Parquet, with tabs (.tsv) or, by any other name, as CSV."""
    table = pa.Table.from_arrays([_array(values) for values in columns.values()], list(columns))
    try:
        if path.suffix.lower() in _PARQUET:
            parquet.write_table(table, path)
        else:
            csv.write_csv(table, path, csv.WriteOptions(delimiter=_delimiter(path)))
    except OSError as error:
        raise PlainError(f"{path} cannot be written: {error.strerror or error}") from None


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


def _opened(path: Path, name: str) -> Path | BytesIO:
    """Check that a file fits in memory; what is no file on disk, such as a pipe, is read into it."""
    if str(path) == "-":
        return BytesIO(sys.stdin.buffer.read())
    if path.is_dir():
        raise PlainError(f"{name} is a folder: name a file in it")
    facts = path.stat()
    if not path.is_file():
        return BytesIO(path.read_bytes())
    packed = path.suffix.lower() in _PACKED | _PARQUET
    if facts.st_size * (_GROWTH_PACKED if packed else _GROWTH) > _free_memory():
        raise PlainError(f"{name} is larger than the memory that is free: split it, or use a larger machine")
    return path


def _head(path: Path, source: Path | BytesIO) -> bytes:
    if isinstance(source, BytesIO):
        return source.getvalue()[:_HEADER]
    with pa.input_stream(str(path), compression="detect") as file:
        head: bytes = file.read(_HEADER)
        return head


def _read_csv(path: Path, source: Path | BytesIO, start: bytes, columns: tuple[str, ...]) -> pa.Table:
    if start[:2] in _UTF16:
        raise UnicodeError("not UTF-8")
    delimiter = _delimiter(path)
    _check_header(start, columns, delimiter)
    convert = csv.ConvertOptions(
        include_columns=list(columns), column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False
    )
    try:
        return csv.read_csv(source, parse_options=csv.ParseOptions(delimiter=delimiter), convert_options=convert)
    except pa.ArrowInvalid as error:
        if "Expected" not in str(error):
            raise
    raise PlainError(f"{path} cannot be read: {_first_bad_row(source, delimiter)}")


def _delimiter(path: Path) -> str:
    return "\t" if path.suffix.lower() in _TABS else ","


def _check_header(start: bytes, columns: tuple[str, ...], delimiter: str) -> None:
    """Find every column once in the first line that is not empty."""
    text = start.decode("utf-8-sig", errors="replace")
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or "\0" in lines[0]:
        wanted = ", ".join(columns)
        raise ValueError(f"it is no table: needed is a line with the names {wanted}, and rows below it")
    names = next(plain_csv.reader([lines[0]], delimiter=delimiter))
    _check_names(names, columns, "separated by tabs" if delimiter == "\t" else "separated by commas")


def _check_names(names: list[str], columns: tuple[str, ...], how: str) -> None:
    for column in columns:
        if column not in names:
            there = ", ".join(names)
            there = there if len(there) <= 2 * _SHOWN else f"{there[: 2 * _SHOWN]}…"
            wanted = ", ".join(columns)
            raise ValueError(f"it has no column {column}; needed are {wanted}, {how}, and there are: {there}")
        if names.count(column) > 1:
            raise ValueError(f"it has {names.count(column)} columns named {column}: rename or remove all but one")


def _first_bad_row(source: Path | BytesIO, delimiter: str) -> str:
    """Read again, row after row, to say which row has too many or too few columns."""
    bad: list[Any] = []

    def note(row: Any) -> str:
        bad.append(row)
        return "error" if bad else "skip"

    if isinstance(source, BytesIO):
        source.seek(0)
    try:
        csv.read_csv(
            source,
            read_options=csv.ReadOptions(use_threads=False),
            parse_options=csv.ParseOptions(delimiter=delimiter, invalid_row_handler=note),
        )
    except pa.ArrowInvalid as error:
        if not bad:
            return _plain(str(error))
    row = bad[0]
    text = row.text if len(row.text) <= _SHOWN else f"{row.text[:_SHOWN]}…"
    return f"row {row.number} has {row.actual_columns} columns, where the first has {row.expected_columns}: {text}"


def _read_parquet(source: Path | BytesIO, columns: tuple[str, ...]) -> pa.Table:
    file = parquet.ParquetFile(source)
    _check_names(file.schema_arrow.names, columns, "of text or numbers")
    table = file.read(columns=list(columns))
    return pa.Table.from_arrays([_text(table.column(name), name) for name in columns], list(columns))


def _text(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Turn a column into text; whole numbers that are stored as floats, as pandas does beside gaps, are whole."""
    try:
        if pa.types.is_floating(column.type):
            column = pc.if_else(pc.is_nan(column), pa.nulls(1, column.type)[0], column)
            whole = pc.all(pc.equal(pc.floor(column), column)).as_py()
            column = pc.cast(column, pa.int64()) if whole is not False else column
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
    if "UTF8" in message or "UTF-8" in message or "utf-8" in message:
        return "it is not in UTF-8: convert it, as with iconv -f latin1 -t utf8"
    if "Parquet" in message or "parquet" in message:
        return "it is no Parquet file, or a broken one: write it again, or as CSV"
    return message.splitlines()[0] if message else "it is broken"


def _free_memory() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return 1 << 62
