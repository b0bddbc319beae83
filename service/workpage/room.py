"""How much of a HIT's page is left for items: a market takes a question of so many bytes and no more.

What is too large is refused when it is uploaded, by its line, and not by the market when the job runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.spec import Spec
from service.workpage.choice import LARGEST_QUESTION, question_xml

# Escaping makes at most five bytes of one, a link stands in its element twice, and the element itself is short.
_MOST_BYTES_OF_ONE = 10
_ELEMENT = 200


class Room:
    """The bytes that each item of a job may add to its HIT's page, so that any items fit together."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        slots = spec.bundle.items + spec.bundle.gold
        self.page = len(question_xml(spec, [{}] * slots).encode())
        self._empty = len(question_xml(spec, [{}]).encode())
        self.for_each = (LARGEST_QUESTION - self.page) // slots
        self._certain = self.for_each - sum(
            _ELEMENT + _MOST_BYTES_OF_ONE * len((show.title or "").encode()) for show in spec.task.template
        )

    def excess(self, payload: Mapping[str, Any]) -> int:
        """Return by how many bytes an item's part of the page is too large; 0 where it fits."""
        shown = sum(len(str(payload.get(show.field, "")).encode()) for show in self._spec.task.template)
        if shown * _MOST_BYTES_OF_ONE <= self._certain:
            return 0
        added = len(question_xml(self._spec, [payload]).encode()) - self._empty
        return max(0, added - self.for_each)
