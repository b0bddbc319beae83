"""From a spec as a person wrote it, in YAML or JSON, to a spec that a job can run by."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any

import msgspec

from foundation.money import parse_usd
from service.plain_words import shown
from service.shape import Wrong, differences, unstorable
from service.spec import MANY_ASSIGNMENTS, Choice, Redundancy, Requirement, Spec, SpecError, TrustRules
from service.workpage.choice import LARGEST_QUESTION
from service.workpage.room import Room
from service.yaml_text import decode_yaml

LARGEST_SPEC = 256 * 1024
"""In bytes; the fields' own limits keep a sensible spec far below it."""

_LARGEST_REWARD_CENTS = 1_000_000
_LONGEST_KEYWORDS = 1000
_LEAST_ROOM = 200
_MOST_PROBLEMS = 50
_MONEY = frozenset({"reward", "budget"})


def decode_spec(text: bytes, *, is_yaml: bool) -> Any:
    """Return what JSON, or YAML, says, without looking at what it means.

    Raises
    ------
    SpecError
        With the line and column, or the byte, where it stops making sense.
    """
    if len(text) > LARGEST_SPEC:
        raise SpecError([Wrong("", f"expected at most {LARGEST_SPEC} bytes, got {len(text)}")])
    try:
        text.decode()
        return decode_yaml(text, as_text=_MONEY) if is_yaml else msgspec.json.decode(text)
    except UnicodeDecodeError as error:
        raise SpecError([Wrong("", f"is not UTF-8: byte {error.start + 1} is not")]) from None
    except RecursionError:
        raise SpecError([Wrong("", "is nested too deeply")]) from None
    except ValueError as error:  # msgspec's and Unicode's errors are ValueErrors too
        raise SpecError([Wrong("", f"is not valid {'YAML' if is_yaml else 'JSON'}: {error}")]) from None


def check_spec(raw: Any, *, markets: Collection[str] | None = None) -> Spec:
    """Return the spec that decoded YAML or JSON stands for.

    Parameters
    ----------
    raw : Any
        JSON's types.
    markets : collection of str, optional
        The markets that are configured, where that is known.

    Raises
    ------
    SpecError
        With every field that is wrong, by its path, and what was expected there.
    """
    wrong = list(islice(unstorable(raw), _MOST_PROBLEMS)) or differences(Spec, raw, limit=_MOST_PROBLEMS)
    if wrong:
        raise SpecError(wrong)
    spec = msgspec.convert(raw, Spec)
    wrong = list(_inconsistencies(spec)) or list(_page(spec))
    if markets is not None and spec.market not in markets:
        wrong.append(Wrong("market", f"expected one of {', '.join(sorted(markets))}, got {shown(spec.market)}"))
    if wrong:
        raise SpecError(wrong)
    return spec


def _inconsistencies(spec: Spec) -> Iterator[Wrong]:
    """Yield what no field shows by itself."""
    for name in ("name", "title", "description"):
        text = getattr(spec, name)
        if text is not None and not text.strip():
            yield Wrong(name, "expected more than spaces")
    yield from _money(spec)
    yield from _task(spec.task)
    yield from _redundancy(spec.redundancy, many=spec.allow_ten_or_more)
    yield from wrong_rules(spec.trust, len(spec.task.labels))
    if spec.trust.rest and not spec.trust.gate:
        yield Wrong("trust.rest", "expected 0, or gate: true: without the gate nobody can be kept from HITs")
    if sum(map(len, spec.keywords)) + 2 * len(spec.keywords) > _LONGEST_KEYWORDS:
        yield Wrong("keywords", f"expected at most {_LONGEST_KEYWORDS} characters in all")
    for number, word in enumerate(spec.keywords):
        if "," in word or not word.strip():
            yield Wrong(f"keywords[{number}]", "expected a word or words without a comma")
    for number, requirement in enumerate(spec.requirements):
        yield from _requirement(requirement, f"requirements[{number}]")


def _page(spec: Spec) -> Iterator[Wrong]:
    room = Room(spec)
    if room.for_each < _LEAST_ROOM:
        yield Wrong(
            "bundle",
            f"expected a page with room for items: guidelines, question and label values alone make {room.page} bytes "
            f"of the {LARGEST_QUESTION} that a market takes; shorten them, or put fewer items into a HIT",
        )


def wrong_rules(rules: TrustRules, n_labels: int, path: str = "trust.") -> Iterator[Wrong]:
    """Yield what of the rules cannot be on a task of so many label values."""
    if rules.good_accuracy <= 1 / n_labels:
        yield Wrong(
            f"{path}good_accuracy",
            f"expected more than {1 / n_labels:.2g}, which clicking at random reaches on {n_labels} label values, got "
            f"{rules.good_accuracy}",
        )


def _money(spec: Spec) -> Iterator[Wrong]:
    if parse_usd(spec.reward) > _LARGEST_REWARD_CENTS:
        yield Wrong("reward", f"expected at most {_LARGEST_REWARD_CENTS // 100} US dollars an assignment")
    elif parse_usd(spec.reward) > parse_usd(spec.budget):
        yield Wrong("budget", f"expected at least the reward of one assignment, {spec.reward}, got {spec.budget}")


def _task(task: Choice) -> Iterator[Wrong]:
    if not task.question.strip():
        yield Wrong("task.question", "expected more than spaces")
    seen: dict[str, int] = {}
    for number, label in enumerate(task.labels):
        where = f"task.labels[{number}]"
        if label != label.strip() or any(unicodedata.category(character) == "Cc" for character in label):
            yield Wrong(where, "expected no spaces around it, no line breaks and no control characters")
        same = unicodedata.normalize("NFC", label)  # what looks the same to a worker
        if same in seen:
            yield Wrong(where, f"expected label values that differ; this is task.labels[{seen[same]}] again")
        seen.setdefault(same, number)
    fields: dict[str, int] = {}
    for number, show in enumerate(task.template):
        if show.field in fields:
            yield Wrong(
                f"task.template[{number}].field",
                f"expected each field once; task.template[{fields[show.field]}] shows {show.field!r} already",
            )
        fields.setdefault(show.field, number)


def _redundancy(redundancy: Redundancy, *, many: bool) -> Iterator[Wrong]:
    if redundancy.minimum > redundancy.maximum:
        yield Wrong(
            "redundancy.minimum", f"expected at most the maximum, {redundancy.maximum}, got {redundancy.minimum}"
        )
    if redundancy.maximum >= MANY_ASSIGNMENTS and not many:
        yield Wrong(
            "redundancy.maximum",
            f"expected at most {MANY_ASSIGNMENTS - 1}, or allow_ten_or_more: true (each assignment of a HIT with "
            f"{MANY_ASSIGNMENTS} or more costs a higher fee on Mechanical Turk), got {redundancy.maximum}",
        )


def _requirement(requirement: Requirement, where: str) -> Iterator[Wrong]:
    given = len(requirement.values) + len(requirement.locales)
    match requirement.comparator:
        case "Exists" | "DoesNotExist":
            if given:
                yield Wrong(where, f"expected neither values nor locales with {requirement.comparator}")
        case "In" | "NotIn":
            if not given:
                yield Wrong(where, f"expected values or locales with {requirement.comparator}")
        case _:
            if given != 1:
                yield Wrong(where, f"expected one value or one locale with {requirement.comparator}, got {given}")
    if requirement.values and requirement.locales:
        yield Wrong(where, "expected values or locales, not both")
    if requirement.locales and requirement.comparator not in {"EqualTo", "NotEqualTo", "In", "NotIn"}:
        yield Wrong(f"{where}.comparator", "expected EqualTo, NotEqualTo, In or NotIn with locales")
