"""Check a request against the shape of its input, as the service does and boto3 does only in part.

boto3 itself checks required members, types, unknown members and minimum lengths; maximum, enumeration and pattern
reach the server.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from marketplace.refusal import INVALID_PARAMETER, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from marketplace.wire.model import Shape

_BITS = {"integer": 31, "long": 63}
_LATEST = datetime(9999, 1, 1, tzinfo=UTC).timestamp()


def validate(shape: Shape, value: Any) -> dict[str, Any]:
    """Check a request's body and return it with its timestamps as times and without its nulls.

    Raises
    ------
    Refused
        Names the member, what was expected and what came.
    """
    checked: dict[str, Any] = _check(shape, value, "")
    return checked


def _check(shape: Shape, value: Any, path: str) -> Any:
    return _CHECKS[shape.type_name](shape, value, path)


def _structure(shape: Any, value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(path or "the request", "a structure", value)
    present = {name: inner for name, inner in value.items() if inner is not None}
    for name in shape.required_members:
        if name not in present:
            raise Refused(INVALID_PARAMETER, f"{_join(path, name)} is required.")
    for name in present:
        if name not in shape.members:
            raise Refused(INVALID_PARAMETER, f"{_join(path, name)} is not a parameter of this operation.")
    return {name: _check(shape.members[name], inner, _join(path, name)) for name, inner in present.items()}


def _list(shape: Any, value: Any, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong(path, "a list", value)
    _check_range(shape, len(value), path, "its length")
    return [_check(shape.member, inner, f"{path}[{index}]") for index, inner in enumerate(value)]


def _string(shape: Shape, value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise _wrong(path, "a string", value)
    if "\0" in value:
        raise Refused(INVALID_PARAMETER, f"{path} contains a null character.")
    _check_range(shape, len(value), path, "its length")
    choices = shape.metadata.get("enum")
    if choices is not None and value not in choices:
        raise _wrong(path, f"one of {', '.join(choices)}", value)
    pattern = shape.metadata.get("pattern")
    if pattern is not None and not _compiled(pattern).search(value):
        raise _wrong(path, f"a string that matches {pattern}", value)
    return value


def _number(shape: Shape, value: Any, path: str) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >> _BITS[shape.type_name]:
        raise _wrong(path, f"an {shape.type_name}" if shape.type_name == "integer" else "a long integer", value)
    _check_range(shape, value, path, "it")
    return value


def _boolean(_shape: Shape, value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong(path, "true or false", value)
    return value


def _timestamp(_shape: Shape, value: Any, path: str) -> datetime:
    valid = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not valid or not 0 <= value <= _LATEST:
        raise _wrong(path, "a time in seconds since 1970", value)
    return datetime.fromtimestamp(value, UTC)


_CHECKS: dict[str, Callable[[Any, Any, str], Any]] = {
    "structure": _structure,
    "list": _list,
    "string": _string,
    "integer": _number,
    "long": _number,
    "boolean": _boolean,
    "timestamp": _timestamp,
}


def _check_range(shape: Shape, measure: int, path: str, what: str) -> None:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if (low is not None and measure < low) or (high is not None and measure > high):
        bounds = " and ".join(
            text for text in (f"at least {low}" * (low is not None), f"at most {high}" * (high is not None)) if text
        )
        raise Refused(INVALID_PARAMETER, f"{path}: {what} must be {bounds}, and is {measure}.")


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # In Java, whose expressions these are, $ at the end does not let a line feed through; in Python it does.
    return re.compile(pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _wrong(path: str, expected: str, value: Any) -> Refused:
    shown = repr(value)
    return Refused(
        INVALID_PARAMETER,
        f"{path} must be {expected}, got {shown if len(shown) <= 80 else shown[:77] + '...'}.",
    )
