"""Write a response by the shape of its output; botocore has a parser for responses and no serialiser."""

from __future__ import annotations

from datetime import datetime
from typing import Any


def serialise(shape: Any, value: Any) -> Any:
    """Return what goes into the JSON for a botocore shape.

    Times become seconds since 1970 with a fraction; members that are None are left out.

    Raises
    ------
    KeyError, TypeError
        Where the value does not fit the shape: a mistake of ours, which a test finds.
    """
    match shape.type_name:
        case "structure":
            return {name: serialise(shape.members[name], inner) for name, inner in value.items() if inner is not None}
        case "list":
            return [serialise(shape.member, inner) for inner in value]
        case "timestamp":
            if not isinstance(value, datetime):
                raise TypeError(f"{shape.name}: expected a time, got {value!r}")
            return round(value.timestamp(), 3)
        case "string":
            return _typed(shape, value, str)
        case "integer" | "long":
            return _typed(shape, value, int)
        case "boolean":
            return _typed(shape, value, bool)
        case other:
            raise TypeError(f"{shape.name}: a {other} is not known here")


def _typed(shape: Any, value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{shape.name}: expected {kind.__name__}, got {value!r}")
    return value
