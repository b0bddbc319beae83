"""Say in plain words, for every place in a value, how it differs from the shape that a type asks for.

msgspec stops at the first difference and speaks of `array` and `object`; a person who wrote a file wants all of them,
each with the path of its field and what was expected there.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

from msgspec import Struct, inspect

from service.plain_words import cut, describe, shown, unstorable_text

_DEEPEST = 30
_LARGEST_INTEGER = 2**63 - 1

Kind = inspect.Type


class Wrong(Struct, frozen=True):
    """A place in a value, such as ``task.labels[2]``, and what is wrong there."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


@lru_cache(maxsize=64)
def _kind(shape: Any) -> Kind:
    return inspect.type_info(shape)


def differences(shape: Any, value: Any, *, limit: int = 50) -> list[Wrong]:
    """Return the places where decoded JSON or YAML does not have the shape of a type, in the order of the type."""
    return list(islice(_differences(_kind(shape), value, ""), limit))


def unstorable(value: Any, path: str = "", depth: int = 0) -> Iterator[Wrong]:
    """Yield every place that holds what Postgres' jsonb and JSON's readers cannot keep as it is."""
    if isinstance(value, (dict, list)):
        if depth == _DEEPEST:
            yield Wrong(path, f"expected at most {_DEEPEST} levels of nesting")
        elif isinstance(value, list):
            for number, inner in enumerate(value):
                yield from unstorable(inner, f"{path}[{number}]", depth + 1)
        else:
            yield from _unstorable_object(value, path, depth)
    elif message := _unstorable_scalar(value):
        yield Wrong(path, message)


def _unstorable_object(value: Mapping[Any, Any], path: str, depth: int) -> Iterator[Wrong]:
    for name, inner in value.items():
        if not isinstance(name, str):
            yield Wrong(path, f"expected text as a name, got {shown(name)}")
        elif message := unstorable_text(name):
            yield Wrong(path, f"a name in here {message}")
        else:
            yield from unstorable(inner, _join(path, name), depth + 1)


def _unstorable_scalar(value: Any) -> str | None:
    if isinstance(value, str):
        return unstorable_text(value)
    if isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
        return "expected a whole number of at most 64 bits; write larger ones as text"
    if isinstance(value, float) and not math.isfinite(value):
        return "expected a finite number"
    return None


def _join(path: str, name: str) -> str:
    return f"{path}.{cut(name)}" if path else cut(name)


def _differences(kind: Kind, value: Any, path: str) -> Iterator[Wrong]:
    match kind.type if isinstance(kind, inspect.Metadata) else kind:
        case inspect.StructType() as struct:
            yield from _struct(struct, value, path)
        case inspect.VarTupleType() | inspect.ListType() as sequence:
            yield from _sequence(sequence, value, path)
        case inspect.UnionType() as union:
            yield from _union(union, value, path)
        case inspect.DictType() as mapping:
            yield from _mapping(mapping, value, path)
        case scalar:
            if isinstance(value, str) and (message := unstorable_text(value)):
                yield Wrong(path, message)
            elif not _is(scalar, value):
                yield Wrong(path, f"expected {describe(kind)}, got {shown(value)}")


def _struct(kind: inspect.StructType, value: Any, path: str) -> Iterator[Wrong]:
    if not isinstance(value, Mapping):
        yield Wrong(path, f"expected an object, got {shown(value)}")
        return
    known = {field.encode_name for field in kind.fields}
    if kind.tag_field is not None:
        known.add(kind.tag_field)
        if value.get(kind.tag_field) != kind.tag:
            got = f", got {shown(value[kind.tag_field])}" if kind.tag_field in value else ""
            yield Wrong(_join(path, kind.tag_field), f"expected {kind.tag!r}{got}")
    for field in kind.fields:
        if field.encode_name in value:
            yield from _differences(field.type, value[field.encode_name], _join(path, field.encode_name))
        elif field.required:
            yield Wrong(_join(path, field.encode_name), f"is missing; expected {describe(field.type)}")
    if kind.forbid_unknown_fields:
        for name in value:
            if name not in known:
                yield Wrong(_join(path, str(name)), f"is not known here{_suggestion(str(name), known)}")


def _suggestion(name: str, known: set[str]) -> str:
    close = difflib.get_close_matches(cut(name), known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(sorted(known))}"


def _sequence(kind: inspect.VarTupleType | inspect.ListType, value: Any, path: str) -> Iterator[Wrong]:
    if not isinstance(value, list):
        yield Wrong(path, f"expected {describe(kind)}, got {shown(value)}")
        return
    if len(value) < (kind.min_length or 0) or (kind.max_length is not None and len(value) > kind.max_length):
        yield Wrong(path, f"expected {describe(kind)}, got {len(value)}")
        return
    for number, inner in enumerate(value):
        yield from _differences(kind.item_type, inner, f"{path}[{number}]")


def _union(kind: inspect.UnionType, value: Any, path: str) -> Iterator[Wrong]:
    found = [list(_differences(inner, value, path)) for inner in kind.types]
    if all(found):
        structured = isinstance(value, (dict, list))
        best = [one for one in found if structured and any(wrong.field != path for wrong in one)]
        if best:
            yield from best[0]
        else:
            yield Wrong(path, f"expected {describe(kind)}, got {shown(value)}")


def _mapping(kind: inspect.DictType, value: Any, path: str) -> Iterator[Wrong]:
    if not isinstance(value, Mapping):
        yield Wrong(path, f"expected an object, got {shown(value)}")
        return
    for name, inner in value.items():
        yield from _differences(kind.value_type, inner, _join(path, str(name)))


def _is(kind: Kind, value: Any) -> bool:  # noqa: PLR0911 - one case a type
    match kind:
        case inspect.AnyType():
            return True
        case inspect.NoneType():
            return value is None
        case inspect.BoolType():
            return isinstance(value, bool)
        case inspect.LiteralType():
            return isinstance(value, (str, int)) and value in kind.values
        case inspect.StrType():
            return isinstance(value, str) and _length_fits(kind, value) and _matches(kind.pattern, value)
        case inspect.IntType():
            return isinstance(value, int) and not isinstance(value, bool) and _fits(kind, value)
        case inspect.FloatType():
            return isinstance(value, (int, float)) and not isinstance(value, bool) and _fits(kind, value)
        case _:  # pragma: no cover - a type that no spec or request has
            raise NotImplementedError(type(kind).__name__)


def _matches(pattern: str | None, value: str) -> bool:
    return pattern is None or (re.search(pattern, value) is not None and not value.endswith("\n"))


def _length_fits(kind: inspect.StrType, value: str) -> bool:
    return (kind.min_length or 0) <= len(value) <= (len(value) if kind.max_length is None else kind.max_length)


def _fits(kind: inspect.IntType | inspect.FloatType, value: float) -> bool:
    return (
        (kind.ge is None or value >= kind.ge)
        and (kind.gt is None or value > kind.gt)
        and (kind.le is None or value <= kind.le)
        and (kind.lt is None or value < kind.lt)
        and math.isfinite(value)
    )
