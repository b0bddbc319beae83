"""Workers as tables, CSV and Parquet: a row for each, with the figures that the API's JSON has."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import pyarrow as pa
from msgspec import UNSET
from pyarrow import parquet

from service.worker_report import Worker, WorkerReport

_AT_ONCE = 2000
Column = tuple[str, pa.DataType, Callable[[Worker], Any]]

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
_COLUMNS: tuple[Column, ...] = (
    ("worker", pa.string(), lambda one: one.worker),
    ("market", pa.string(), lambda one: one.market),
    ("first_seen_at", _TIME, lambda one: one.first_seen_at),
    ("state", pa.string(), lambda one: one.state),
    ("state_by", pa.string(), lambda one: one.state_by),
    ("resting", pa.bool_(), lambda one: one.resting),
    ("answers", pa.int64(), lambda one: one.answers),
    ("assignments", pa.int64(), lambda one: one.assignments),
    ("rejected", pa.int64(), lambda one: one.rejected),
    ("active_seconds", pa.float64(), lambda one: one.active_seconds),
    ("seconds_per_answer", pa.float64(), lambda one: one.seconds_per_answer),
    ("gold_right", pa.int64(), lambda one: one.gold.right),
    ("gold_total", pa.int64(), lambda one: one.gold.total),
    ("gold_mean", pa.float64(), lambda one: one.gold.mean),
    ("gold_low", pa.float64(), lambda one: one.gold.low),
    ("gold_high", pa.float64(), lambda one: one.gold.high),
    ("expected_cost", pa.float64(), lambda one: one.expected_cost),
    ("quality", pa.float64(), lambda one: one.quality),
    ("spammer_score", pa.float64(), lambda one: one.spammer_score),
    ("agreement", pa.float64(), lambda one: one.agreement.share),
    ("agreement_answers", pa.int64(), lambda one: one.agreement.answers),
    ("expected_right", pa.float64(), lambda one: one.expected_right),
    ("judged", pa.int64(), lambda one: one.judged),
    ("pay_cents", pa.int64(), lambda one: one.pay_cents),
    ("cost_cents", pa.int64(), lambda one: one.cost_cents),
    ("pay_per_hour_cents", pa.float64(), lambda one: one.pay_per_hour_cents),
    ("cost_per_right_cents", pa.float64(), lambda one: one.cost_per_right_cents),
    ("drift", pa.list_(pa.string()), lambda one: [change.reason for change in one.drift]),
    ("drift_changes", _CHANGES, lambda one: [msgspec.structs.asdict(change) for change in one.drift]),
    ("drift_at", _TIME, lambda one: min((change.at for change in one.drift), default=None)),
    ("confusion", _MATRIX, lambda one: None if one.confusion is None else one.confusion.rows),
)


def columns(labels: Sequence[str], *, identify: bool) -> tuple[Column, ...]:
    """Return the columns: name, type and value; five for each label value, and the market's id where it is shown."""

    def of_label(label: str, figure: str) -> Column:
        def value(one: Worker) -> float | None:
            found = next((told for told in one.gold_by_label if told.label == label), None)
            return None if found is None else getattr(found, figure)

        return f"gold_{figure}:{label}", pa.float64(), value

    by_label = tuple(of_label(label, figure) for label in labels for figure in _OF_LABEL)
    market_id: Column = ("market_worker_id", pa.string(), _market_id)
    return (*_COLUMNS, *by_label, *([market_id] if identify else []))


def as_csv(report: WorkerReport, places: Sequence[int]) -> Iterator[bytes]:
    """Yield CSV, a piece at a time; lists are JSON in their cell, times ISO 8601, what is not known is empty.

    Text that a spreadsheet would take for a formula has an apostrophe before it.
    """
    told = columns(report.labels, identify=report.identify)
    yield _lines([[name for name, _, _ in told]])
    for start in range(0, len(places), _AT_ONCE):
        workers = [report.view(place) for place in places[start : start + _AT_ONCE]]
        yield _lines([[_cell(value(one)) for _, _, value in told] for one in workers])


def as_ndjson(report: WorkerReport, places: Sequence[int]) -> Iterator[bytes]:
    """Yield NDJSON, a piece at a time."""
    encoder = msgspec.json.Encoder()
    for start in range(0, len(places), _AT_ONCE):
        yield encoder.encode_lines([report.view(place) for place in places[start : start + _AT_ONCE]])


def as_parquet(report: WorkerReport, places: Sequence[int]) -> bytes:
    """Return Parquet, a row group for each piece."""
    told = columns(report.labels, identify=report.identify)
    schema = pa.schema([(name, kind) for name, kind, _ in told])
    sink = io.BytesIO()
    with parquet.ParquetWriter(sink, schema) as writer:
        for start in range(0, max(len(places), 1), _AT_ONCE):
            workers = [report.view(place) for place in places[start : start + _AT_ONCE]]
            writer.write_table(
                pa.table([pa.array([value(one) for one in workers], kind) for _, kind, value in told], schema=schema)
            )
    return sink.getvalue()


def _market_id(one: Worker) -> str | None:
    return None if one.market_worker_id is UNSET else one.market_worker_id


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return msgspec.json.encode(value).decode()
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value.isoformat() if hasattr(value, "isoformat") else value


def _lines(rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
