"""Lists that are also given whole, as NDJSON or CSV: row after row, in bounded memory, holding no connection between.

A whole list is read page by page by key, not in one snapshot: each row is as it stood when it was read, and says so
(`revision`, `settled_at`). A reader who takes an hour holds nothing up.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

import msgspec
from litestar import Request
from litestar.params import QueryParameter
from litestar.response import Stream

from service.api.bodies import JSON
from service.app import Service
from service.store.dues import Connection

Row = TypeVar("Row")
F = TypeVar("F", bound=str)

Form: TypeAlias = Literal["json", "ndjson", "csv"]
AskedForm: TypeAlias = Annotated[
    Form | None,
    QueryParameter(
        name="format",
        description="`json` for pages (the default); `ndjson` or `csv` for all at once; goes before Accept",
        required=False,
    ),
]

NDJSON: Final = "application/x-ndjson"
CSV: Final = "text/csv"
_AT_ONCE: Final = 2000
FORMS: Final[dict[str, Form]] = {JSON: "json", NDJSON: "ndjson", CSV: "csv"}


def form_of(request: Request[Any, Any, Any], asked: F | None, forms: Mapping[str, F]) -> F:
    """Return the form that the parameter asks for, else what the Accept header prefers, else the first of them.

    Parameters
    ----------
    forms : mapping of media type to form
    """
    if asked is not None:
        return asked
    plain, *_ = forms
    try:
        return forms[request.accept.best_match(list(forms), plain)]
    except OverflowError:  # a weight that is infinite
        return forms[plain]


def export(
    service: Service,
    form: Form,
    fetch: Callable[[Connection, Row | None, int], Awaitable[Sequence[Row]]],
    view: Callable[[Row], Any],
    columns: Sequence[str],
    cells: Callable[[Row], Iterable[Any]],
) -> Stream:
    """Return everything as a stream.

    Parameters
    ----------
    fetch : callable (connection, last row or None, limit) -> rows
        The rows that follow.
    view : callable (row) -> struct
        What a line of NDJSON says.
    columns, cells : names, and callable (row) -> values
        What CSV says.
    """
    encoder = msgspec.json.Encoder()

    def lines(rows: Sequence[Row]) -> bytes:
        return encoder.encode_lines([view(row) for row in rows])

    def records(rows: Sequence[Row]) -> bytes:
        return _csv(cells(row) for row in rows)

    async def stream() -> AsyncIterator[bytes]:
        if form == "csv":
            yield _csv([columns])
        last: Row | None = None
        while True:
            async with service.pool.acquire() as conn:
                rows = await fetch(conn, last, _AT_ONCE)
            if rows:
                yield records(rows) if form == "csv" else lines(rows)
                last = rows[-1]
            if len(rows) < _AT_ONCE:
                return

    return Stream(stream(), media_type=CSV if form == "csv" else NDJSON)


def _csv(rows: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
