"""What a HIT type asks of workers: well-formed or refused, and met or not.

A requirement guards accepting; with ``PreviewAndAccept`` also previewing, and with ``DiscoverPreviewAndAccept`` even
seeing that the HIT is there. A worker may do what every requirement that guards it allows.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from marketplace.refusal import INVALID_PARAMETER, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Action = Literal["accept", "preview", "discover"]
Requirement = dict[str, Any]
"""As the wire has it, with ActionsGuarded always given."""

LOCALE: Final = "00000000000000000071"
PERCENT_APPROVED: Final = "000000000000000000L0"
NUMBER_APPROVED: Final = "00000000000000000040"
ADULT: Final = "00000000000000000060"
MASTERS: Final = "2F1QJWKUDD8XADTFD2Q0G6UTO95ALH"

MOST: Final = 10
_MOST_INTEGERS: Final = 15
_MOST_LOCALES: Final = 30

_GUARDS: Final[dict[str, frozenset[Action]]] = {
    "Accept": frozenset(["accept"]),
    "PreviewAndAccept": frozenset(["accept", "preview"]),
    "DiscoverPreviewAndAccept": frozenset(["accept", "preview", "discover"]),
}
_ORDERS: Final[dict[str, Callable[[int, int], Any]]] = {
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
}
_PRESENCES: Final = ("Exists", "DoesNotExist")
_SETS: Final = ("In", "NotIn")


@dataclass(frozen=True, slots=True)
class Held:
    """A qualification as its worker holds it: with a value, with a place, or with neither."""

    value: int | None = None
    country: str | None = None
    subdivision: str | None = None


def read_requirements(given: Sequence[Requirement]) -> tuple[Requirement, ...]:
    """Check requirements as CreateHITType takes them, and say of each what it guards.

    Raises
    ------
    Refused
        Where one is not of a form that a worker could meet.
    """
    if len(given) > MOST:
        raise Refused(INVALID_PARAMETER, f"A HIT has at most {MOST} qualification requirements, not {len(given)}.")
    return tuple(_read(requirement) for requirement in given)


def may(requirements: Sequence[Requirement], held: Mapping[str, Held], action: Action) -> bool:
    """Tell whether a worker who holds these qualifications, by their types' ids, may do this."""
    return all(
        _meets(requirement, held.get(requirement["QualificationTypeId"]))
        for requirement in requirements
        if action in _GUARDS[requirement["ActionsGuarded"]]
    )


def asks_for_masters(requirements: Sequence[Requirement]) -> bool:
    """Tell whether only masters may accept, which costs more."""
    return any(
        requirement["QualificationTypeId"] == MASTERS and requirement["Comparator"] == "Exists"
        for requirement in requirements
    )


def _read(requirement: Requirement) -> Requirement:
    comparator, type_id = requirement["Comparator"], requirement["QualificationTypeId"]
    integers, locales = requirement.get("IntegerValues", []), requirement.get("LocaleValues", [])
    if "RequiredToPreview" in requirement and "ActionsGuarded" in requirement:
        raise _refuse(type_id, "takes RequiredToPreview or ActionsGuarded, not both")
    if comparator in _PRESENCES:
        if integers or locales:
            raise _refuse(type_id, f"compares by {comparator} and so takes no values")
    elif type_id == LOCALE:
        _check_locales(type_id, comparator, integers, locales)
    else:
        _check_integers(type_id, comparator, integers, locales)
    preview = requirement.get("RequiredToPreview", False)
    guards = requirement.get("ActionsGuarded", "PreviewAndAccept" if preview else "Accept")
    kept = {name: value for name, value in requirement.items() if name != "RequiredToPreview"}
    return {**kept, "ActionsGuarded": guards}


def _check_integers(type_id: str, comparator: str, integers: Sequence[int], locales: Sequence[Any]) -> None:
    if locales:
        raise _refuse(type_id, f"takes IntegerValues; LocaleValues are for {LOCALE}")
    most = _MOST_INTEGERS if comparator in _SETS else 1
    if not 1 <= len(integers) <= most:
        raise _refuse(type_id, f"compares by {comparator} and so takes {_count(most)} in IntegerValues")


def _check_locales(type_id: str, comparator: str, integers: Sequence[int], locales: Sequence[Any]) -> None:
    if integers or comparator in _ORDERS:
        raise _refuse(type_id, "compares LocaleValues, by EqualTo, NotEqualTo, In or NotIn")
    most = _MOST_LOCALES if comparator in _SETS else 1
    if not 1 <= len(locales) <= most:
        raise _refuse(type_id, f"compares by {comparator} and so takes {_count(most)} in LocaleValues")


def _count(most: int) -> str:
    return "one value" if most == 1 else f"1 to {most} values"


def _refuse(type_id: str, what: str) -> Refused:
    return Refused(INVALID_PARAMETER, f"The requirement of QualificationType {type_id} {what}.")


def _meets(requirement: Requirement, held: Held | None) -> bool:
    comparator = requirement["Comparator"]
    if comparator in _PRESENCES:
        return (held is not None) == bool(comparator == "Exists")
    if held is None:
        return False
    if requirement["QualificationTypeId"] == LOCALE:
        among = any(_lies_in(held, locale) for locale in requirement["LocaleValues"])
        return among == (comparator in ("EqualTo", "In"))
    if held.value is None:
        return False
    integers = requirement["IntegerValues"]
    if comparator in _ORDERS:
        return bool(_ORDERS[comparator](held.value, integers[0]))
    return (held.value in integers) == (comparator in ("EqualTo", "In"))


def _lies_in(held: Held, locale: Mapping[str, str]) -> bool:
    return held.country == locale["Country"] and locale.get("Subdivision") in (None, held.subdivision)
