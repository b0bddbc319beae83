"""YAML as JSON with less punctuation: no tags, no aliases, no dates, and a repeated key is an error.

PyYAML reads YAML 1.1, where `no` is false, `12:30` is 750 and `2020-01-01` a date; a list of label values suffers from
each. Here, as in YAML 1.2's core schema, only `true` and `false` are booleans and only digits are numbers.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, NoReturn

import yaml
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode, Node, ScalarNode

_DEEPEST = 30
_PREFIX = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """A loader of JSON's types alone."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}  # type: ignore[misc]
    depth = 0
    yaml_constructors: ClassVar[dict[Any, Any]] = {}

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        if self.check_event(yaml.AliasEvent):
            _refuse("expected no alias (*); write it out", self.peek_event())  # type: ignore[no-untyped-call]
        self.depth += 1
        if self.depth > _DEEPEST:
            _refuse(f"expected at most {_DEEPEST} levels of nesting", self.peek_event())  # type: ignore[no-untyped-call]
        node: Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _refuse(message: str, where: Any) -> NoReturn:
    raise ConstructorError(None, None, message, where.start_mark)


def _mapping(loader: _Loader, node: MappingNode) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in node.value:
        name = key.value if isinstance(key, ScalarNode) else _refuse("expected text as a name", key)
        if name in result:
            _refuse(f"{name[:60]!r} stands here twice", key)
        result[name] = loader.construct_object(value, deep=True)
    return result


def _integer(_loader: _Loader, node: ScalarNode) -> int:
    if len(node.value) > 40:
        _refuse("expected a number of at most 40 digits", node)
    return int(node.value)


def _unknown(_loader: _Loader, node: Node) -> NoReturn:
    _refuse(f"expected no tag such as {str(node.tag)[:60]}", node)


for _tag, _form, _first in (
    ("null", r"~|null|NULL|Null|", ["~", "n", "N", ""]),
    ("bool", r"true|false|True|False|TRUE|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(_PREFIX + _tag, re.compile(rf"(?:{_form})\Z"), _first)
_Loader.add_constructor(_PREFIX + "null", lambda _loader, _node: None)
_Loader.add_constructor(_PREFIX + "bool", lambda _loader, node: node.value.lower() == "true")
_Loader.add_constructor(_PREFIX + "int", _integer)
_Loader.add_constructor(_PREFIX + "float", lambda _loader, node: float(node.value))
_Loader.add_constructor(_PREFIX + "str", lambda _loader, node: node.value)
_Loader.add_constructor(
    _PREFIX + "seq", lambda loader, node: [loader.construct_object(inner, deep=True) for inner in node.value]
)
_Loader.add_constructor(_PREFIX + "map", _mapping)
_Loader.add_constructor(None, _unknown)


def decode_yaml(text: bytes, *, as_text: frozenset[str] = frozenset()) -> Any:
    """Return what a YAML document says, in JSON's types.

    Parameters
    ----------
    text : bytes
        UTF-8.
    as_text : frozenset of str
        Names at the top whose plain numbers are kept as they were written: 0.10 stays "0.10".

    Raises
    ------
    ValueError
        One line: what was expected, and the line and column where it was not.
    """
    loader = None
    try:
        loader = _Loader(text.decode("utf-8-sig"))
        node = loader.get_single_node()
        if isinstance(node, MappingNode):
            for key, value in node.value:
                if isinstance(key, ScalarNode) and isinstance(value, ScalarNode) and key.value in as_text:
                    value.tag = _PREFIX + "str"
        return None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ValueError(f"{where}{error.problem or error.context}") from None
    except yaml.reader.ReaderError as error:
        raise ValueError(f"the character {error.character:#06x} is not allowed") from None
    except OverflowError:
        raise ValueError("an escape names no character") from None
    finally:
        if loader is not None:
            loader.dispose()
