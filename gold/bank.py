"""A gold bank as facts that are only ever added: import, edit, retire, exclude.

What is in force at a moment follows from the facts up to it; scoring names the version of each gold item that it used.
To retire is to ask no more: what was answered still counts. To exclude is to say that the item never was fit to be
gold: no answer to it counts, for or against anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from aggregation.arrays import Bools, Ints

Kind = Literal["import", "edit", "retire", "exclude"]


class GoldError(ValueError):
    """A fact about gold that does not fit what came before it."""


class Accepted(Struct, frozen=True):
    """One label value that is right, and why: the reason is for those who miss it and for those who contest it."""

    label: int
    reason: str


class GoldFact(Struct, frozen=True, kw_only=True):
    """One thing done to one gold item; facts are never changed."""

    gold: str
    kind: Kind
    version: int
    at: datetime
    by: str
    accepted: tuple[Accepted, ...] = ()
    cause: str = ""


class GoldVersion(Struct, frozen=True, kw_only=True):
    """A gold item as it is in force. asked: it may be given to workers; counts: its answers are evidence."""

    gold: str
    version: int
    accepted: tuple[Accepted, ...]
    asked: bool = True
    counts: bool = True

    def reason(self, label: int) -> str | None:
        """Say why a label value is right, or None where it is not."""
        return next((accepted.reason for accepted in self.accepted if accepted.label == label), None)


def in_force(facts: Iterable[GoldFact], at: datetime | None = None) -> dict[str, GoldVersion]:
    """
    Fold facts into the versions in force at a moment, by default after all of them.

    The order in which facts are handed over does not matter: each names its version.

    Raises
    ------
    GoldError
        A version is missing or occurs twice, or a gold item does not begin with an import.

    """
    known: dict[str, GoldVersion] = {}
    for fact in sorted(facts, key=lambda fact: (fact.gold, fact.version)):
        if at is None or fact.at <= at:
            known[fact.gold] = follow(known.get(fact.gold), fact)
    return known


def follow(before: GoldVersion | None, fact: GoldFact) -> GoldVersion:
    """
    Apply one fact to the version before it.

    Raises
    ------
    GoldError
        The fact does not follow from that version.

    """
    expected = 1 if before is None else before.version + 1
    if fact.version != expected:
        raise GoldError(f"gold {fact.gold}: version {fact.version} cannot follow version {expected - 1}")
    if (before is None) != (fact.kind == "import"):
        raise GoldError(f"gold {fact.gold}: an import comes first and once, and this {fact.kind} is version {expected}")
    if fact.kind in {"import", "edit"}:
        check_accepted(fact.gold, fact.accepted)
        return GoldVersion(gold=fact.gold, version=fact.version, accepted=fact.accepted)
    assert before is not None
    if not fact.cause:
        raise GoldError(f"gold {fact.gold}: say why it is to {fact.kind}")
    return replace(before, version=fact.version, asked=False, counts=before.counts and fact.kind != "exclude")


def check_accepted(gold: str, accepted: Sequence[Accepted]) -> None:
    """Raise GoldError unless labels are named once each, at least one, each with its reason."""
    labels = [one.label for one in accepted]
    if not labels or len(set(labels)) != len(labels) or min(labels) < 0:
        raise GoldError(f"gold {gold}: name at least one accepted label value, and each once")
    if not all(one.reason.strip() for one in accepted):
        raise GoldError(f"gold {gold}: give each accepted label value its reason")


def masks(
    bank: Mapping[str, GoldVersion], gold_of_item: Mapping[int, str], n_items: int, n_labels: int
) -> tuple[Bools, Bools, Ints]:
    """
    Lay a bank over a job's items.

    Parameters
    ----------
    gold_of_item : item_no to the gold item that was copied there

    Returns
    -------
    accepted : (n_items, n_labels) bool
        For scoring; rows of False where an item is no gold, or excluded.
    asked : (n_items,) bool
        What may still be given to workers.
    version : (n_items,) int64
        The version that scoring used; 0 where an item is no gold.

    Raises
    ------
    GoldError
        An accepted label value is none of the job's, or nothing but accepted ones are.

    """
    accepted, asked = np.zeros((n_items, n_labels), dtype=bool), np.zeros(n_items, dtype=bool)
    version = np.zeros(n_items, dtype=np.int64)
    for item, name in gold_of_item.items():
        gold = bank[name]
        labels = [one.label for one in gold.accepted]
        if max(labels) >= n_labels:
            raise GoldError(f"gold {name}: label value {max(labels)} is none of this job's {n_labels}")
        if len(labels) >= n_labels:
            raise GoldError(f"gold {name}: it accepts every label value, so nothing can be learnt from it")
        version[item], asked[item] = gold.version, gold.asked
        accepted[item, labels] = gold.counts
    return accepted, asked, version
