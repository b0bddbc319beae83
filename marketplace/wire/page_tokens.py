"""Tokens for the next page of a list: opaque to clients, and good for the same list only."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any, TypeVar

import msgspec

from marketplace.refusal import INVALID_PARAMETER, Refused

T = TypeVar("T")


def make_token(listing: tuple[Any, ...], cursor: Any) -> str:
    """Name the place after `cursor` in the list that `listing` (operation and filters) tells from others."""
    content = msgspec.json.encode((_mark(listing), cursor))
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def read_token(listing: tuple[Any, ...], token: str | None, kind: type[T]) -> T | None:
    """Return the cursor, or None for the first page.

    Raises
    ------
    Refused
        Where the token was not given out for this list.
    """
    if token is None:
        return None
    try:
        content = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        mark, cursor = msgspec.json.decode(content, type=tuple[str, kind])  # type: ignore[valid-type]
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        mark, cursor = None, None
    if mark != _mark(listing):
        raise Refused(INVALID_PARAMETER, "NextToken is not one that was returned for this list.")
    return cursor


def _mark(listing: tuple[Any, ...]) -> str:
    return hashlib.sha256(repr(listing).encode()).hexdigest()[:12]
