"""One line of an upload: what it may hold, and the row that it becomes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from service.plain_words import cut, one_of, shown
from service.shape import Wrong, unstorable
from service.spec import MANY_ASSIGNMENTS, Show, Spec
from service.workpage.room import Room

Count = Annotated[int, Meta(ge=1, le=100)]
_PAYLOAD = "an object with the fields that the job's template shows"
_ACCEPTED = "a label value, or a list of label values, each alone or as {label, reason}"
Payload = Annotated[dict[str, Any], Meta(description=_PAYLOAD, extra={"expected": _PAYLOAD})]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DATA_IMAGE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}\Z", re.IGNORECASE)
_URL = re.compile(r"https?://[^\s\x00-\x1f\x7f<>\"]+\Z", re.IGNORECASE)


class ItemLine(Struct, forbid_unknown_fields=True):
    """An item as it is uploaded; what it leaves out is the job's."""

    external_id: Annotated[str, Meta(min_length=1, max_length=255)]
    payload: Payload
    minimum: Count | None = None
    maximum: Count | None = None
    target_confidence: Annotated[float, Meta(gt=0, le=1)] | None = None
    priority: Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)] = 0
    batch: Annotated[str, Meta(min_length=1, max_length=255)] | None = None


class Accepted(Struct, forbid_unknown_fields=True):
    """A label value that is right for a gold item, and why."""

    label: str
    reason: Annotated[str, Meta(max_length=2000)] | None = None


class GoldLine(ItemLine, kw_only=True, forbid_unknown_fields=True):
    """A gold item as it is uploaded: an item, and the label values that are right."""

    accepted: Annotated[
        str | list[str | Accepted],
        Meta(description=_ACCEPTED, extra={"expected": _ACCEPTED}),
    ]


class Row(Struct, frozen=True):
    """What a line is stored as; payload and accepted are JSON."""

    external_id: str
    payload: str
    minimum: int
    maximum: int
    target: float
    priority: int
    batch: str | None
    accepted: str | None


class LineError(ValueError):
    """A line that cannot be stored; each of `wrong` names a field and what was expected there."""

    def __init__(self, wrong: list[Wrong]) -> None:
        super().__init__("; ".join(map(str, wrong)))
        self.wrong = wrong


class LineReader:
    """Turns the lines of one job's uploads into rows."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._index = {label: number for number, label in enumerate(spec.task.labels)}
        self._encode = msgspec.json.Encoder().encode
        self._room = Room(spec)

    def row(self, line: ItemLine) -> Row:
        """Return what a line is stored as, with the redundancy that is in effect for it.

        Raises
        ------
        LineError
            With every field that is wrong.
        """
        redundancy = self._spec.redundancy
        minimum = redundancy.minimum if line.minimum is None else line.minimum
        maximum = redundancy.maximum if line.maximum is None else line.maximum
        wrong = [*_names(line), *unstorable(line.payload, "payload"), *self._redundancy(minimum, maximum)]
        if not wrong:
            wrong += self._shown(line.payload)
        accepted = None
        if isinstance(line, GoldLine):
            entries, refused = self._accepted(line.accepted)
            wrong += refused
            accepted = self._encode(entries).decode()
        if wrong:
            raise LineError(wrong)
        return Row(
            line.external_id,
            self._encode(line.payload).decode(),
            minimum,
            maximum,
            redundancy.target_confidence if line.target_confidence is None else line.target_confidence,
            line.priority,
            line.batch,
            accepted,
        )

    def _redundancy(self, minimum: int, maximum: int) -> Iterator[Wrong]:
        if minimum > maximum:
            yield Wrong("minimum", f"expected at most the maximum, {maximum}, got {minimum}")
        if maximum >= MANY_ASSIGNMENTS and not self._spec.allow_ten_or_more:
            most = MANY_ASSIGNMENTS - 1
            yield Wrong("maximum", f"expected at most {most}, as the spec does not allow_ten_or_more, got {maximum}")

    def _shown(self, payload: dict[str, Any]) -> Iterator[Wrong]:
        blank = True
        for show in self._spec.task.template:
            field = f"payload.{cut(show.field)}"
            if show.field not in payload:
                yield Wrong(field, "is missing; the job's template shows it")
                blank = False
            elif message := _refused(show, payload[show.field]):
                yield Wrong(field, message)
                blank = False
            elif payload[show.field] != "":
                blank = False
        if blank:
            yield Wrong("payload", "expected something to show: every field of the job's template is empty")
        elif excess := self._room.excess(payload):
            most, slots = self._room.for_each, self._spec.bundle.items + self._spec.bundle.gold
            message = (
                f"shows {most + excess} bytes; a HIT of {slots} has room for {most} each: shorten it, or bundle fewer"
            )
            yield Wrong("payload", message)

    def _accepted(self, accepted: str | list[str | Accepted]) -> tuple[list[dict[str, Any]], list[Wrong]]:
        given = accepted if isinstance(accepted, list) else [accepted]
        entries: list[dict[str, Any]] = []
        wrong = [] if given else [Wrong("accepted", "expected at least one label value")]
        for number, one in enumerate(given):
            field = f"accepted[{number}]" if isinstance(accepted, list) else "accepted"
            label, reason = (one.label, one.reason) if isinstance(one, Accepted) else (one, None)
            index = self._index.get(label)
            if index is None:
                wrong.append(Wrong(field, f"expected {one_of(list(self._index))}, got {shown(label)}"))
            elif any(entry["label"] == index for entry in entries):
                wrong.append(Wrong(field, f"expected each label value once, got {shown(label)} again"))
            elif reason is not None and (refused := list(unstorable(reason, field))):
                wrong += refused
            else:
                entries.append({"label": index, "reason": reason})
        if len(entries) == len(self._index):
            wrong.append(Wrong("accepted", "expected a label value to be left out: nothing is learnt otherwise"))
        return entries, wrong


def _names(line: ItemLine) -> Iterator[Wrong]:
    if _CONTROL.search(line.external_id):
        yield Wrong("external_id", "expected no line breaks and no control characters")
    if line.batch is not None and _CONTROL.search(line.batch):
        yield Wrong("batch", "expected no line breaks and no control characters")


def _refused(show: Show, value: Any) -> str | None:
    """Say why a payload field cannot be shown as its template says, or None."""
    if show.show == "text":
        usable = isinstance(value, (str, int, float)) and not isinstance(value, bool)
        return None if usable else f"expected text or a number to show, got {shown(value)}"
    if show.show == "image":
        usable = isinstance(value, str) and (_is_web(value) or _DATA_IMAGE.match(value) is not None)
        return None if usable else f"expected an image's http(s) address or data:image/…;base64, got {shown(value)}"
    usable = isinstance(value, str) and _is_web(value)
    return None if usable else f"expected an http(s) address, got {shown(value)}"


def _is_web(text: str) -> bool:
    if not _URL.match(text):
        return False
    try:
        return bool(urlsplit(text).hostname)
    except ValueError:
        return False
