"""Read an upload from a file, line by line, into rows for the database, and say by line what is wrong.

It runs in a thread, holds one line at a time, and reads on after a bad line, so that one answer names them all.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from service.plain_words import cut
from service.shape import Wrong, differences, unstorable
from service.spec import Spec
from service.upload.line import GoldLine, ItemLine, LineError, LineReader, Row
from service.upload.table import table_lines

Form: TypeAlias = Literal["ndjson", "csv", "json"]

MOST_LINES: Final = 1_000_000
LONGEST_LINE: Final = 1024 * 1024
LARGEST_ARRAY: Final = 5 * 1024 * 1024
MOST_NAMED: Final = 100
"""So many bad lines are named in an answer; the rest are counted."""


class BadLine(Struct, frozen=True):
    """A line of an upload that cannot be stored, and why."""

    line: int
    wrong: list[Wrong]


class Reading(Struct):
    """What came of reading an upload."""

    rows: int = 0
    bad: list[BadLine] = []
    bad_total: int = 0

    def refuse(self, line: int, wrong: list[Wrong]) -> None:
        """Note a bad line, by name while there is room."""
        self.bad_total += 1
        if len(self.bad) < MOST_NAMED:
            self.bad.append(BadLine(line, wrong))


# A line's number, and either what it says in JSON's types or why that cannot be read.
Numbered: TypeAlias = tuple[int, Any | LineError]


def read_upload(source: BinaryIO, form: Form, spec: Spec, *, gold: bool, rows: BinaryIO) -> Reading:
    """Read an upload.

    Parameters
    ----------
    source : BinaryIO
        The upload, at its start.
    form : str
        ``ndjson``, ``csv`` or ``json`` (an array).
    spec : Spec
        The job's.
    gold : bool
        Whether lines are gold items.
    rows : BinaryIO
        Where rows are written, as the CSV that `items.stage` loads.
    """
    shape = GoldLine if gold else ItemLine
    reading = Reading(bad=[])
    reader = LineReader(spec)
    text = io.TextIOWrapper(rows, encoding="utf-8", newline="", write_through=False)
    writer = csv.writer(text)
    write: Callable[[int, Row], Any] = lambda number, row: writer.writerow((number, *msgspec.structs.astuple(row)))  # noqa: E731
    for number, said in _lines(source, form, shape):
        if reading.rows + reading.bad_total >= MOST_LINES:
            reading.refuse(number, [Wrong("", f"expected at most {MOST_LINES:,} items in an upload; make it two")])
            break
        try:
            line = _convert(said, shape)
            write(number, reader.row(line))
            reading.rows += 1
        except LineError as error:
            reading.refuse(number, error.wrong)
    if reading.rows == reading.bad_total == 0:
        reading.refuse(1, [Wrong("", "expected at least one item")])
    text.flush()
    text.detach()
    return reading


def _lines(source: BinaryIO, form: Form, shape: type[ItemLine]) -> Iterator[Numbered]:
    if form == "csv":
        return table_lines(source, shape)
    return _array_lines(source) if form == "json" else _json_lines(source, msgspec.json.Decoder(shape))


def _convert(said: Any, shape: type[ItemLine]) -> ItemLine:
    if isinstance(said, ItemLine):
        return said
    if isinstance(said, LineError):
        raise said
    try:
        return msgspec.convert(said, shape)
    except ValueError as error:
        wrong = list(unstorable(said)) or differences(shape, said, limit=10) or [Wrong("", str(error))]
        raise LineError(wrong[:10]) from None


def _json_lines(source: BinaryIO, decoder: msgspec.json.Decoder[Any]) -> Iterator[Numbered]:
    number = 0
    while line := source.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            yield number, LineError([Wrong("", f"expected at most {LONGEST_LINE:,} bytes in a line")])
            while line and not line.endswith(b"\n"):
                line = source.readline(LONGEST_LINE + 1)
        elif not line.isspace():
            yield number, _decode(line, decoder)


def _decode(line: bytes, decoder: msgspec.json.Decoder[Any]) -> Any:
    try:
        return decoder.decode(line)
    except (ValueError, RecursionError):
        pass  # a second look finds the words for it
    try:
        line.decode()
        return msgspec.json.decode(line)
    except UnicodeDecodeError as error:
        return LineError([Wrong("", f"expected UTF-8; byte {error.start + 1} is not")])
    except RecursionError:
        return LineError([Wrong("", "is nested too deeply")])
    except ValueError as error:
        return LineError([Wrong("", f"is not valid JSON: {cut(str(error))}")])


def _array_lines(source: BinaryIO) -> Iterator[Numbered]:
    text = source.read(LARGEST_ARRAY + 1)
    if len(text) > LARGEST_ARRAY:
        message = f"expected at most {LARGEST_ARRAY:,} bytes as one JSON array; send NDJSON (application/x-ndjson)"
        yield 1, LineError([Wrong("", message)])
        return
    said = _decode(text, msgspec.json.Decoder())
    if isinstance(said, LineError):
        yield 1, said
    elif isinstance(said, list):
        yield from enumerate(said, start=1)
    else:
        yield 1, LineError([Wrong("", "expected a JSON array of items")])
