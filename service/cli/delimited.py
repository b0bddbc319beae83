"""Read columns of CSV files, whatever separates their columns and however their names are spelled."""

from __future__ import annotations

import codecs
import csv as plain_csv
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import csv

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.cli.source_files import Source

    # A column may have several names, of which the first that is there counts.
    Names = Sequence[tuple[str, ...]]

_TABS = {".tsv", ".tab"}
_DELIMITERS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SHOWN = 60  # characters of a bad row
# Bytes that are read at once; a row must fit in so many, and a larger one is tried for, up to what Arrow can count.
_BLOCK, _LARGEST_BLOCK = 1 << 20, 1 << 30


def read_csv(source: Source, columns: Names) -> pa.Table:
    """
    Read columns as text.

    Raises
    ------
    ValueError
        It is no such file; the message is one line. Arrow's errors are among these.

    """
    start = source.header()
    if start[:2] in _UTF16:
        raise ValueError("it is in UTF-16, not in UTF-8: convert it, as with iconv -f utf-16 -t utf-8")
    names, delimiter = _header(start, columns, ends_in(source.suffix))
    convert = csv.ConvertOptions(
        include_columns=names, column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
    )
    try:
        return _parsed(source, delimiter, convert)
    except pa.ArrowInvalid as error:
        if "Expected" not in str(error):
            raise
    raise ValueError(_first_bad_row(source, delimiter))


def ends_in(suffix: str) -> str:
    """Give what separates columns in a file whose name ends like this."""
    return "\t" if suffix in _TABS else ","


def match(names: list[str], columns: Names, how: str) -> list[str]:
    """
    Find columns among the names of a file: as they are, or else but for case and for spaces around.

    Raises
    ------
    ValueError
        One is not there, or more than once.

    """
    found = []
    for column in columns:
        alike = next(filter(None, (_alike(names, name) for name in column)), [])
        if not alike:
            there, wanted = _cut(", ".join(names), 2 * _SHOWN), ", ".join(_first(columns))
            raise ValueError(f"it has no column {column[0]}; needed are {wanted}, {how}, and there are: {there}")
        if len(alike) > 1:
            raise ValueError(f"it has {len(alike)} columns named {column[0]}: rename or remove all but one")
        found += alike
    return found


def _alike(names: list[str], wanted: str) -> list[str]:
    exact = [name for name in names if name == wanted]
    return exact or [name for name in names if name.strip().casefold() == wanted.casefold()]


def _first(columns: Names) -> list[str]:
    return [column[0] for column in columns]


def _header(start: bytes, columns: Names, usual: str) -> tuple[list[str], str]:
    """Find every column once in the first line that is not empty, and what separates them there."""
    text = start.decode("utf-8-sig", errors="replace")
    line = next((line for line in text.splitlines() if line.strip()), "")
    if not line or "\0" in line:
        raise ValueError(
            f"it is no table: needed is a line with the names {', '.join(_first(columns))}, and rows below it"
        )
    read = {mark: next(plain_csv.reader([line], delimiter=mark)) for mark in (usual, *_DELIMITERS)}

    def known(mark: str) -> int:
        return sum(any(_alike(read[mark], name) for name in column) for column in columns)

    best = max(read, key=known)  # the usual one where others find no more
    return match(read[best], columns, f"separated by {_DELIMITERS[best]}"), best


def _parsed(source: Source, delimiter: str, convert: csv.ConvertOptions | None = None, note: Any = None) -> pa.Table:
    """Parse with larger blocks until the longest row fits in one; ``note`` is told of bad rows, in their order."""
    size = _BLOCK
    while True:
        read = csv.ReadOptions(block_size=size, use_threads=note is None)
        parse = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=note)
        try:
            with source.open() as file:
                return csv.read_csv(file, read_options=read, parse_options=parse, convert_options=convert)
        except pa.ArrowInvalid as error:
            if "straddling" not in str(error):
                raise
            if size >= _LARGEST_BLOCK:
                raise ValueError("it has a row of more than a gigabyte: is a quote opened and never closed?") from None
            size = min(size << 5, _LARGEST_BLOCK)


def _first_bad_row(source: Source, delimiter: str) -> str:
    """Read again, row after row, to say which row has too many or too few columns."""
    bad: list[Any] = []

    def note(row: Any) -> str:
        bad.append(row)
        return "error"

    try:
        _parsed(source, delimiter, note=note)
    except pa.ArrowInvalid as error:
        if not bad:
            return str(error)
    row = bad[0]
    there = f"row {row.number} has {row.actual_columns} columns, where the first has {row.expected_columns}"
    if row.text.count('"') % 2:
        there = f"row {row.number} opens a quote that is never closed"
    return f"{there}: {_cut(' '.join(row.text.split()), _SHOWN)}"


def _cut(text: str, most: int) -> str:
    """Show the beginning of what a file has; no terminal is told anything by it."""
    shown = "".join(char if char.isprintable() else "\ufffd" for char in text[: most + 1])
    return shown if len(shown) <= most else f"{shown[:most]}…"
