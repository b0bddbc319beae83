"""Workers as tables, CSV and Parquet: a row for each, with the figures that the API's JSON has."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import msgspec
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from service.worker_columns import Columns, matrices
from service.worker_report import WorkerReport

_AT_ONCE = 2000
Values: TypeAlias = "npt.NDArray[Any] | list[Any]"
Column: TypeAlias = "tuple[str, pa.DataType, Callable[[Columns], Values]]"

_TIME = pa.timestamp("us", tz="UTC")
_MATRIX = pa.list_(pa.list_(pa.float64()))
_CHANGES = pa.list_(
    pa.struct(
        [
            ("series", pa.string()),
            ("at", _TIME),
            ("assignment", pa.int64()),
            ("before", pa.float64()),
            ("after", pa.float64()),
            ("chance", pa.float64()),
            ("reason", pa.string()),
        ]
    )
)
_OF_LABEL = ("right", "total", "mean", "low", "high")
# What a spreadsheet would take for a formula: the market's ids are what strangers chose.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _figure(name: str, kind: pa.DataType) -> Column:
    return name, kind, lambda chosen: chosen.figure(name)


_COLUMNS: tuple[Column, ...] = (
    ("worker", pa.string(), lambda chosen: [row.worker_id for row in chosen.rows]),
    ("market", pa.string(), lambda chosen: [row.market for row in chosen.rows]),
    ("first_seen_at", _TIME, lambda chosen: [row.first_seen_at for row in chosen.rows]),
    ("state", pa.string(), lambda chosen: [row.state for row in chosen.rows]),
    ("state_by", pa.string(), lambda chosen: [row.by for row in chosen.rows]),
    ("resting", pa.bool_(), lambda chosen: [row.resting for row in chosen.rows]),
    _figure("answers", pa.int64()),
    _figure("assignments", pa.int64()),
    _figure("rejected", pa.int64()),
    _figure("active_seconds", pa.float64()),
    _figure("seconds_per_answer", pa.float64()),
    _figure("gold_right", pa.int64()),
    _figure("gold_total", pa.int64()),
    _figure("gold_mean", pa.float64()),
    _figure("gold_low", pa.float64()),
    _figure("gold_high", pa.float64()),
    _figure("expected_cost", pa.float64()),
    _figure("quality", pa.float64()),
    _figure("spammer_score", pa.float64()),
    _figure("agreement", pa.float64()),
    _figure("agreement_answers", pa.int64()),
    _figure("expected_right", pa.float64()),
    _figure("judged", pa.int64()),
    _figure("pay_cents", pa.int64()),
    _figure("cost_cents", pa.int64()),
    _figure("pay_per_hour_cents", pa.float64()),
    _figure("cost_per_right_cents", pa.float64()),
    ("drift", pa.list_(pa.string()), lambda chosen: [[one.reason for one in found] for found in chosen.changes]),
    ("drift_changes", _CHANGES, lambda chosen: [list(map(msgspec.structs.asdict, one)) for one in chosen.changes]),
    ("drift_at", _TIME, lambda chosen: [min((one.at for one in found), default=None) for found in chosen.changes]),
    ("confusion", _MATRIX, lambda chosen: matrices(chosen.confusion)),
)


def columns(labels: Sequence[str], *, identify: bool) -> tuple[Column, ...]:
    """Return the columns: name, type and values; five for each label value, and the market's id where it is shown."""

    def of_label(place: int, label: str, figure: str) -> Column:
        return f"gold_{figure}:{label}", pa.float64(), lambda chosen: chosen.gold_by_label[figure][:, place]

    by_label = tuple(of_label(place, label, figure) for place, label in enumerate(labels) for figure in _OF_LABEL)
    market_id: Column = ("market_worker_id", pa.string(), lambda chosen: [row.market_worker_id for row in chosen.rows])
    return (*_COLUMNS, *by_label, *([market_id] if identify else []))


def as_csv(report: WorkerReport, places: Sequence[int], *, identify: bool) -> Iterator[bytes]:
    """Yield CSV, a piece at a time; lists are JSON in their cell, times ISO 8601, what is not known is empty.

    Text that a spreadsheet would take for a formula has an apostrophe before it.
    """
    told = columns(report.labels, identify=identify)
    schema = pa.schema([(name, kind if _is_number(kind) else pa.string()) for name, kind, _ in told])
    yield _lines(schema.empty_table(), header=True)
    for chosen in _pieces(report, places):
        arrays = [_cells(values(chosen), kind) for _, kind, values in told]
        yield _lines(pa.table(arrays, schema=schema), header=False)


def as_ndjson(report: WorkerReport, places: Sequence[int], *, identify: bool) -> Iterator[bytes]:
    """Yield NDJSON, a piece at a time."""
    encoder = msgspec.json.Encoder()
    for chosen in _pieces(report, places):
        yield encoder.encode_lines(chosen.views(identify=identify))


def as_parquet(report: WorkerReport, places: Sequence[int], *, identify: bool) -> bytes:
    """Return Parquet, a row group for each piece."""
    told = columns(report.labels, identify=identify)
    schema = pa.schema([(name, kind) for name, kind, _ in told])
    sink = io.BytesIO()
    with parquet.ParquetWriter(sink, schema) as writer:
        for chosen in _pieces(report, places):
            arrays = [pa.array(values(chosen), kind, from_pandas=True) for _, kind, values in told]
            writer.write_table(pa.table(arrays, schema=schema))
    return sink.getvalue()


def _pieces(report: WorkerReport, places: Sequence[int]) -> Iterator[Columns]:
    for start in range(0, len(places), _AT_ONCE):
        yield Columns(report, places[start : start + _AT_ONCE])


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_primitive(kind) and not pa.types.is_timestamp(kind))


def _cells(values: Values, kind: pa.DataType) -> pa.Array:
    """Return numbers as they are, and whatever else as text: of numbers there are millions."""
    if _is_number(kind):
        return pa.array(values, kind, from_pandas=True)
    if pa.types.is_timestamp(kind):
        cells = [None if value is None else value.isoformat() for value in values]
    elif pa.types.is_nested(kind):
        cells = [None if value is None else msgspec.json.encode(value).decode() for value in values]
    else:
        cells = [f"'{value}" if value.startswith(_FORMULA) else value for value in values]
    return pa.array(cells, pa.string())


def _lines(table: pa.Table, *, header: bool) -> bytes:
    sink = io.BytesIO()
    arrow_csv.write_csv(table, sink, arrow_csv.WriteOptions(include_header=header, quoting_header="needed", eol="\r\n"))
    return sink.getvalue()
