"""From what a person says of gold to the versions that follow from it, by the rules of `gold.bank`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from gold.bank import Accepted, GoldFact, GoldVersion, follow
from service.plain_words import NOT_BLANK, cut, one_of, shown
from service.shape import Wrong
from service.store.gold import GoldRow, NewVersion

Cause = Annotated[str, Meta(min_length=1, max_length=2000, pattern=NOT_BLANK, description="why; it is kept")]

_KINDS: dict[str, Literal["retire", "exclude"]] = {"retired": "retire", "excluded": "exclude"}
_NEVER = datetime(2000, 1, 1, tzinfo=UTC)  # the fold of one fact asks for no time


class AcceptedBecause(Struct, frozen=True, forbid_unknown_fields=True):
    """A label value that is right, and why: the reason is for those who contest it."""

    label: str
    reason: Cause


class Correction(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be said of one gold item from now on: either other accepted label values, or another state."""

    external_id: Annotated[str, Meta(min_length=1, max_length=255)]
    cause: Cause
    accepted: (
        Annotated[
            list[AcceptedBecause],
            Meta(
                min_length=1,
                max_length=100,
                description="the label values that are right; it is asked and counts again",
            ),
        ]
        | None
    ) = None
    state: Annotated[
        Literal["retired", "excluded"] | None,
        Meta(description="retired: asked no more, and counts on; excluded: counts for nobody"),
    ] = None
    version: (
        Annotated[int, Meta(ge=1, description="the version that was looked at; refused where another is in force")]
        | None
    ) = None


class StaleError(Exception):
    """A correction of a version that is not in force any more."""


def corrected(
    asked: Sequence[Correction], rows: Mapping[str, GoldRow], labels: Sequence[str]
) -> tuple[list[NewVersion], list[Wrong]]:
    """Return the versions that follow, of what changes anything, and what is wrong with the corrections.

    Raises
    ------
    StaleError
        Where a correction is of a version that is not in force.
    """
    versions: list[NewVersion] = []
    wrong: list[Wrong] = []
    seen: set[str] = set()
    for number, one in enumerate(asked):
        where = f"corrections[{number}]"
        bad = wrong_of(one, where, labels)
        if one.external_id in seen:
            bad.append(Wrong(f"{where}.external_id", "expected each gold item once"))
        seen.add(one.external_id)
        wrong += bad
        if bad:
            continue
        row = rows[one.external_id]
        if one.version is not None and one.version != row.version:
            raise StaleError(
                f"Of gold {cut(row.external_id)!r}, version {row.version} is in force, by {row.by}: look at it, and "
                "correct that one."
            )
        version = _next(one, row, labels)
        if version is not None:
            versions.append(version)
    return versions, wrong


def wrong_of(one: Correction, where: str, labels: Sequence[str]) -> list[Wrong]:
    """Return what is wrong with a correction whatever the gold was before."""
    if (one.accepted is None) == (one.state is None):
        return [Wrong(where, "expected either accepted or state")]
    return wrong_accepted(one.accepted or (), f"{where}.accepted", labels)


def wrong_accepted(accepted: Sequence[AcceptedBecause], where: str, labels: Sequence[str]) -> list[Wrong]:
    """Return what is wrong with the label values that a gold item is to accept, of which there are some."""
    given = [entry.label for entry in accepted]
    wrong = [
        Wrong(f"{where}[{place}].label", f"expected {one_of(labels)}, got {shown(label)}")
        for place, label in enumerate(given)
        if label not in labels
    ]
    if len(set(given)) < len(given):
        wrong.append(Wrong(where, "expected each label value once"))
    elif len(given) == len(labels):
        wrong.append(Wrong(where, "expected a label value to be left out: nothing is learnt otherwise"))
    return wrong


def _next(one: Correction, row: GoldRow, labels: Sequence[str]) -> NewVersion | None:
    """Return the version that a valid correction leads to, or None where it says what is in force."""
    before = GoldVersion(
        gold=row.external_id,
        version=row.version,
        accepted=tuple(Accepted(entry["label"], entry.get("reason") or "") for entry in row.accepted),
        asked=row.state == "asked",
        counts=row.state != "excluded",
    )
    fact = GoldFact(
        gold=row.external_id,
        kind="edit" if one.state is None else _KINDS[one.state],
        version=row.version + 1,
        at=_NEVER,
        by="",
        accepted=tuple(Accepted(labels.index(entry.label), entry.reason) for entry in one.accepted or ()),
        cause=one.cause,
    )
    after = follow(before, fact)
    if replace(after, version=before.version) == before:
        return None
    accepted = [{"label": entry.label, "reason": entry.reason or None} for entry in after.accepted]
    state = "asked" if after.asked else "retired" if after.counts else "excluded"
    return NewVersion(row.item_no, after.version, fact.kind, state, accepted, one.cause)
