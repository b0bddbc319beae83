"""Read an upload's CSV: a header, columns of an item's own, and every other column a payload field, as text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any, BinaryIO

from service.plain_words import cut
from service.shape import Wrong
from service.upload.line import GoldLine, ItemLine, LineError

_OWN = frozenset({"external_id", "minimum", "maximum", "target_confidence", "priority", "batch"})
_GOLDS = frozenset({"accepted", "reason"})
_NUMBERS = {"minimum": int, "maximum": int, "priority": int, "target_confidence": float}
_LONGEST_NUMBER = 30
_LONGEST_LINE = 1024 * 1024
_BETWEEN = "|"


def table_lines(source: BinaryIO, shape: type[ItemLine]) -> Iterator[tuple[int, Any | LineError]]:
    """Yield, for each record, the number of its first line and what it says as a JSON line would.

    In gold, `accepted` is a label value, or several with | between them, and `reason` says why: each with its own where
    as many stand between |, else all with the same.
    """
    gold = shape is GoldLine
    records = _records(source)
    try:
        _, header = next(records)
    except StopIteration:
        return
    if isinstance(header, LineError):
        yield 1, header
        return
    wrong = list(_header_errors(header, gold=gold))
    if wrong:
        yield 1, LineError(wrong)
        return
    for number, record in records:
        if isinstance(record, LineError):
            yield number, record
        elif len(record) != len(header):
            yield number, LineError([Wrong("", f"expected {len(header)} columns, as in the header, got {len(record)}")])
        else:
            yield number, _said(dict(zip(header, record, strict=True)), gold=gold)


def _records(source: BinaryIO) -> Iterator[tuple[int, list[str] | LineError]]:
    """Yield records with the number of the line each starts on; csv.reader goes on after an error."""
    reader = csv.reader(_text(source), strict=True)
    while True:
        number = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, LineError([Wrong("", f"is not valid CSV: {error}")])
            continue
        if any(not cell.isascii() and any("\ud800" <= c <= "\udfff" for c in cell) for cell in record):
            yield number, LineError([Wrong("", "expected UTF-8")])
        elif record:
            yield number, record


def _text(source: BinaryIO) -> Iterator[str]:
    """Yield lines as text. Bytes that are no UTF-8 become surrogates, to be refused with their record."""
    text = io.TextIOWrapper(source, encoding="utf-8-sig", errors="surrogateescape", newline="")
    try:
        while line := text.readline(_LONGEST_LINE):
            yield line
    finally:
        text.detach()  # the file stays its owner's


def _header_errors(header: list[str], *, gold: bool) -> Iterator[Wrong]:
    for column in ("external_id", "accepted") if gold else ("external_id",):
        if column not in header:
            yield Wrong(column, f"is missing: the header has {cut(', '.join(header))}")
    for number, column in enumerate(header):
        if not column:
            yield Wrong("", f"column {number + 1} of the header has no name")
        elif column in header[:number]:
            yield Wrong(cut(column), "stands in the header twice")


def _said(cells: dict[str, str], *, gold: bool) -> Any | LineError:
    line: dict[str, Any] = {"payload": {}}
    for column, cell in cells.items():
        if column in _NUMBERS:
            if cell:
                line[column] = _number(column, cell)
        elif column in _OWN:
            if cell:
                line[column] = cell
        elif not (gold and column in _GOLDS):
            line["payload"][column] = cell
    if gold:
        labels = _labels(cells["accepted"])
        reasons = _reasons(cells.get("reason", ""), len(labels))
        line["accepted"] = [
            {"label": label, "reason": reason or None} for label, reason in zip(labels, reasons, strict=True)
        ]
    return line


def _number(column: str, cell: str) -> Any:
    """Return the number that a cell holds, or the cell, to be refused with the rest of its line."""
    try:
        return _NUMBERS[column](cell) if len(cell) <= _LONGEST_NUMBER else cell
    except ValueError:
        return cell


def _labels(cell: str) -> list[str]:
    return cell.split(_BETWEEN) if cell else []


def _reasons(cell: str, count: int) -> list[str]:
    each = [reason.strip() for reason in cell.split(_BETWEEN)]
    return each if len(each) == count > 1 else [cell] * count
