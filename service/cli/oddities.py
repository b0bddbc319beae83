"""What of a file looks like a slip, in lines for the person who gave it: it is used all the same."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from service.cli.answer_files import Known

# How programs write that there is nothing. "none" and "na" are not among them: they can be answers.
_NOTHING = {"nan", "null", "n/a", "#n/a", "<na>", "nat"}
_NAMED = 5  # label values that a line lists


def counted(number: int, noun: str) -> str:
    """Say how many of something there are."""
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"


def of_labels(labels: Sequence[str]) -> Iterator[str]:
    """Name label values that may stand for no answer, or for the same number."""
    for label in labels:
        if label.casefold() in _NOTHING:
            yield f"{label} is taken for a label value: leave its rows out if it says that there is no answer"
    alike: dict[float, list[str]] = defaultdict(list)
    for label in labels:
        number = _number(label)
        if math.isfinite(number):
            alike[number].append(label)
    for same in alike.values():
        if len(same) > 1:
            yield f"{_listed(same)} are taken for different label values: write the same number in the same way"


def of_known(path: Path, known: Known) -> Iterator[str]:
    """Say what of a gold or truth file cannot be used, or is unusual."""
    if known.strangers:
        yield f"{path} has {counted(known.strangers, 'task')} that nobody answered, left out"
    several = int((known.mask.sum(axis=1) > 1).sum())
    if several:
        yield f"{path} has several labels for {counted(several, 'task')}: each of them is right"
    if known.unheard:
        yield f"{path} has {counted(len(known.unheard), 'label value')} that nobody gave: {_listed(known.unheard)}"


def _listed(values: Sequence[str]) -> str:
    return ", ".join(values[:_NAMED]) + (" …" if len(values) > _NAMED else "")


def _number(label: str) -> float:
    try:
        return float(label)
    except ValueError:
        return math.nan
