"""Where settings come from: every value with its source, so that an error can name both."""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from foundation.errors import PlainError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PREFIX = "ASSAY_"
_SECRET = ("secret", "password", "access_key", "installation_key", "database_url")
_CLOSE = 0.7  # how like a setting's name an unknown variable must be to be taken for a slip

T = TypeVar("T")
Key = tuple[str, ...]


class SettingsError(PlainError):
    """A setting is wrong; the message is one line that names it, its source and what was expected."""


@dataclass(frozen=True, slots=True)
class Given:
    """A value, and where it was given. A lax one is text that may stand for a number or a boolean."""

    value: object
    source: str
    lax: bool = False

    def refused(self, key: Key, expected: str) -> SettingsError:
        """Make the error that refuses this value."""
        name = ".".join(key)
        shown = "" if any(word in name for word in _SECRET) else f", got {self.value!r}"
        return SettingsError(f"setting {name} (from {self.source}): {expected}{shown}")


def collect(
    settings: type[msgspec.Struct], file: Path | None, env: Mapping[str, str], overrides: Mapping[str, object]
) -> dict[Key, Given]:
    """Gather every value given, the later source overruling the earlier: file, environment, command line.

    Raises
    ------
    SettingsError
        Where the file cannot be read, or a name is no setting's.
    """
    given = dict(_from_file(file)) if file else {}
    given.update(_from_environment(settings, env))
    for name, value in overrides.items():
        if value is not None:
            given[name,] = Given(
                str(value) if isinstance(value, Path) else value, f"--{name.replace('_', '-')}", lax=True
            )
    return given


def convert(settings: type[T], given: Mapping[Key, Given]) -> T:
    """Check each value against the type of its setting, and build the whole.

    Raises
    ------
    SettingsError
        For the first value, in order of name, that is wrong or that belongs to no setting.
    """
    tree: dict[str, Any] = {}
    for key, entry in sorted(given.items()):
        kind = _type_of(settings, key)
        if kind is None:
            raise SettingsError(f"{entry.source}: there is no setting {'.'.join(key)}{_suggest(settings, key)}")
        if _is_branch(kind):
            raise SettingsError(f"{entry.source}: {'.'.join(key)} holds settings and is none itself")
        try:
            value = msgspec.convert(entry.value, kind, strict=not entry.lax, dec_hook=_decode)
        except (msgspec.ValidationError, ValueError) as error:
            options = get_args(kind) if get_origin(kind) is Literal else ()
            raise entry.refused(key, _expected(str(error), options)) from None
        branch = tree
        for step in key[:-1]:
            branch = branch.setdefault(step, {})
        branch[key[-1]] = value
    return msgspec.convert(tree, settings, dec_hook=_decode)


def _from_file(file: Path) -> Iterator[tuple[Key, Given]]:
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not valid TOML: {error}") from None
    except OSError as error:
        raise SettingsError(f"cannot read the settings file {file}: {error.strerror}") from None

    def leaves(key: Key, value: object) -> Iterator[tuple[Key, Given]]:
        if isinstance(value, dict):
            for name, inner in value.items():
                yield from leaves((*key, name), inner)
        else:
            yield key, Given(value, str(file))

    return leaves((), tree)


def _from_environment(settings: type[msgspec.Struct], env: Mapping[str, str]) -> Iterator[tuple[Key, Given]]:
    names = set(get_type_hints(settings))
    for variable, value in env.items():
        if variable == "DATABASE_URL":
            if value:
                yield ("database_url",), Given(value, variable)
            continue
        if not variable.startswith(PREFIX):
            continue
        key = tuple(variable.removeprefix(PREFIX).lower().split("__"))
        if len(key) > 1 or key[0] in names:
            yield key, Given(value, variable, lax=True)
        elif close := difflib.get_close_matches(key[0], names, n=1, cutoff=_CLOSE):
            raise SettingsError(f"{variable}: there is no such setting; did you mean {PREFIX}{close[0].upper()}?")
        # Other names are not ours: the command line's own (ASSAY_API_KEY), the tests'.


def _type_of(settings: Any, key: Key) -> Any:
    """Return the type of the setting at `key`, or None where there is none."""
    kind = settings
    for step in key:
        if _is_struct(kind):
            kind = get_type_hints(kind, include_extras=True).get(step)
        elif get_origin(kind) is dict:
            kind = get_args(kind)[1]
        else:
            return None
        if kind is None:
            return None
    return kind


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _is_branch(kind: Any) -> bool:
    return _is_struct(kind) or get_origin(kind) is dict


def _suggest(settings: Any, key: Key) -> str:
    parent = settings
    for step in key[:-1]:
        hints = get_type_hints(parent) if isinstance(parent, type) else {}
        parent = hints.get(step) or (get_args(parent)[1] if get_origin(parent) is dict else None)
        if parent is None:
            return ""
    names = list(get_type_hints(parent)) if isinstance(parent, type) else []
    close = difflib.get_close_matches(key[-1], names, n=1)
    return f"; did you mean {'.'.join((*key[:-1], close[0]))}?" if close else ""


def _expected(message: str, options: tuple[str, ...] = ()) -> str:
    """Turn msgspec's message into ours: "Expected `int` <= 5" into "expected a whole number <= 5"."""
    if options:
        return f"expected one of {', '.join(map(repr, options))}"
    message = re.split(" - at |, got ", message, maxsplit=1)[0].replace("`", "")
    for theirs, ours in (
        ("int", "a whole number"),
        ("float", "a number"),
        ("bool", "true or false"),
        ("str", "text"),
    ):
        message = message.replace(f"Expected {theirs}", f"Expected {ours}")
    return message[:1].lower() + message[1:]


def _decode(kind: type, value: object) -> object:
    if isinstance(value, Path):
        return value
    if kind is Path and isinstance(value, str) and value:
        return Path(value).expanduser()
    raise ValueError("expected a path")
