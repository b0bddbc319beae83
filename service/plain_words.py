"""Plain words for what was expected and what came instead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import inspect

_LONGEST = 60
_NAMED = 10
NOT_BLANK = r"\S"
"""The pattern of a text that says something."""


def unstorable_text(text: str) -> str | None:
    """Say why a text cannot be stored, or None."""
    if "\x00" in text:
        return "holds a NUL character, which cannot be stored"
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        return "holds half of a surrogate pair, which is no character"
    return None


def shown(value: Any) -> str:  # noqa: PLR0911 - one case a type
    """Name a value in a message, cut short."""
    match value:
        case None:
            return "nothing (null)"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {cut(str(value) if isinstance(value, float) else _digits(value))}"
        case str():
            return f"the text {cut(ascii(value) if unstorable_text(value) else repr(value))}"
        case dict():
            return "an object"
        case list() | tuple():
            return "a list"
        case _:
            return f"a {type(value).__name__}"


def _digits(value: int) -> str:
    return str(value) if value.bit_length() < 1000 else "of too many digits"  # str() itself refuses over 4,300 digits


def cut(text: str) -> str:
    """Cut a text short, for a message."""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def one_of(values: Sequence[str]) -> str:
    """Name what may be chosen from, as a message does: the first few, each cut short."""
    named = ", ".join(cut(value) for value in values[:_NAMED])
    return f"one of {named}{' and others' if len(values) > _NAMED else ''}"


def describe(kind: inspect.Type) -> str:  # noqa: C901, PLR0911 - one case a type
    """Name what a type asks for: "a whole number from 1 to 100"; in its own words, where `extra["expected"]` has any.

    What describes a field says what it is for, which is no answer to whoever wrote something else there.
    """
    match kind:
        case inspect.Metadata():
            return str(kind.extra["expected"]) if kind.extra and "expected" in kind.extra else describe(kind.type)
        case inspect.StructType() | inspect.DictType():
            return "an object"
        case inspect.VarTupleType() | inspect.ListType():
            return f"a list{_range(kind.min_length, kind.max_length, ' of ', '')}"
        case inspect.UnionType():
            return " or ".join(describe(inner) for inner in kind.types if not isinstance(inner, inspect.NoneType))
        case inspect.NoneType():
            return "null"
        case inspect.BoolType():
            return "true or false"
        case inspect.LiteralType():
            return "one of " + ", ".join(str(one) for one in kind.values)
        case inspect.StrType():
            shape = "" if not kind.pattern else f" of the form {kind.pattern}"
            if kind.pattern == NOT_BLANK:
                shape = ", not all of them spaces"
            return f"text{_range(kind.min_length, kind.max_length, ' of ', ' characters')}{shape}"
        case inspect.IntType() | inspect.FloatType():
            noun = "a whole number" if isinstance(kind, inspect.IntType) else "a number"
            return f"{noun}{_bounds(kind)}"
        case _:  # pragma: no cover - a type that no spec or request has
            return "something else"


def _bounds(kind: inspect.IntType | inspect.FloatType) -> str:
    if kind.gt is None and kind.lt is None:
        return _range(kind.ge, kind.le, " from ", "")
    told = [
        f"{word} {bound:g}"
        for word, bound in (("above", kind.gt), ("from", kind.ge), ("below", kind.lt), ("up to", kind.le))
        if bound is not None
    ]
    return f" {' and '.join(told)}"


def _range(least: float | None, most: float | None, before: str, unit: str) -> str:
    if least is None and most is None:
        return ""
    if most is None:
        return f"{before}{least} or more{unit}"
    return f"{before}{least or 0} to {most}{unit}"
