"""Write a response by the shape of its output; botocore has a parser for responses and no serialiser."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_TYPES = {"string": str, "integer": int, "long": int, "boolean": bool}


def serialise(shape: Any, value: Any) -> Any:
    """Return what goes into the JSON for a botocore shape.

    Times become seconds since 1970 with a fraction; members that are None are left out.

    Raises
    ------
    KeyError, TypeError
        Where the value does not fit the shape: a mistake of ours, which a test finds.
    """
    return _writer(shape)(value)


@cache
def _writer(shape: Any) -> Callable[[Any], Any]:
    """Make what writes a shape, once: a page of a hundred HITs has two thousand members."""
    match shape.type_name:
        case "structure":
            return _structure_writer(shape)
        case "list":
            write = _writer(shape.member)
            return lambda values: [write(value) for value in values]
        case "timestamp":
            return _write_time
        case name:
            return _plain_writer(shape.name, _TYPES[name])


def _structure_writer(shape: Any) -> Callable[[Any], Any]:
    writers = {name: _writer(member) for name, member in shape.members.items()}

    def write(value: dict[str, Any]) -> dict[str, Any]:
        return {name: writers[name](inner) for name, inner in value.items() if inner is not None}

    return write


def _plain_writer(name: str, kind: type) -> Callable[[Any], Any]:
    def write(value: Any) -> Any:
        if type(value) is not kind:
            raise TypeError(f"{name}: expected {kind.__name__}, got {value!r}")
        return value

    return write


def _write_time(value: Any) -> float:
    if not isinstance(value, datetime):
        raise TypeError(f"expected a time, got {value!r}")
    return round(value.timestamp(), 3)
