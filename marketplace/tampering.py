"""Lists that say other things than the books: answers altered on their way out, for tests.

Real listings are no snapshots, so that an entry may come twice or not at all; an assignment id has been seen with two
workers; and what workers hand in may be anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from marketplace.misbehaviour import Kind, Rule

KINDS: Final[frozenset[Kind]] = frozenset({"repeat", "omit", "second_worker", "wrong_worker", "answer"})
_LISTS: Final = ("HITs", "Assignments")


class Tampering:
    """Alters answers of lists by rules; remembers what the page before ended with."""

    def __init__(self) -> None:
        self._ended_with: dict[str, Any] = {}

    def alter(self, rule: Rule, *, request: bytes, answer: bytes) -> bytes:
        """Return an answer as the rule has it; one that is no list, or has no entries, as it is."""
        page = msgspec.json.decode(answer)
        name = next((name for name in _LISTS if page.get(name)), None)
        if name is None:
            return answer
        entries = page[name]
        if rule.kind == "repeat":
            is_first = "NextToken" not in msgspec.json.decode(request)
            page[name] = [entries[0] if is_first else self._ended_with.get(name, entries[0]), *entries]
            self._ended_with[name] = entries[-1]
        elif rule.kind == "omit":
            del entries[0]
        elif name == "Assignments":
            _alter_assignment(rule, entries)
        return msgspec.json.encode(page)


def _alter_assignment(rule: Rule, entries: list[Any]) -> None:
    if rule.kind == "second_worker":
        entries.append({**entries[0], "WorkerId": rule.text})
    elif rule.kind == "wrong_worker":
        entries[0]["WorkerId"] = rule.text
    else:
        entries[0]["Answer"] = rule.text
