"""Pages by cursor: a cursor names the last row seen, so what comes and goes meanwhile moves no other row."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeAlias, TypeVar

import msgspec
from litestar.params import QueryParameter
from msgspec import Meta, Struct

from service.api.problems import Error, Refusal

T = TypeVar("T")
Row = TypeVar("Row")

DEFAULT_PAGE = 100
LARGEST_PAGE = 1000

Cursor: TypeAlias = Annotated[
    str | None, QueryParameter(description="`next` of the page before", max_length=200, required=False)
]
Limit: TypeAlias = Annotated[int, QueryParameter(description="rows on a page", ge=1, le=LARGEST_PAGE, required=False)]


class Page(Struct, Generic[T]):
    """Some rows, and the cursor of the next page, or null where this is the last."""

    data: list[T]
    next: Annotated[str | None, Meta(description="cursor of the next page; null on the last")]


def write_cursor(kind: str, *position: int | str) -> str:
    """Return a cursor; what it holds is nobody's business."""
    return base64.urlsafe_b64encode(msgspec.json.encode([kind, *position])).decode().rstrip("=")


def read_cursor(kind: str, cursor: str | None, *first: int | str) -> tuple[int | str, ...]:
    """Return the position that a cursor holds, or the first where there is none.

    Raises
    ------
    Refusal
        400, where it is no cursor of this list.
    """
    if cursor is None:
        return first
    try:
        said = msgspec.json.decode(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        tag, *position = msgspec.convert(said, list[int | str])
    except (binascii.Error, ValueError, RecursionError):
        tag, position = None, []
    fits = len(position) == len(first) and all(
        type(got) is type(wanted) and (not isinstance(got, int) or abs(got) < 2**63)
        for got, wanted in zip(position, first, strict=True)
    )
    if tag != kind or not fits or any(isinstance(got, str) and "\x00" in got for got in position):
        message = "expected `next` of an earlier page of this list"
        raise Refusal("malformed-request", "The cursor is not valid.", errors=[Error(message, field="cursor")])
    return tuple(position)


def page_of(rows: Sequence[Row], limit: int, view: Callable[[Row], T], cursor: Callable[[Row], str]) -> Page[T]:
    """Return a page of rows, of which one more than `limit` was asked for to see whether there are more."""
    more = len(rows) > limit
    return Page([view(row) for row in rows[:limit]], cursor(rows[limit - 1]) if more else None)
