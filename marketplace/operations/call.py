"""One call of an operation: who calls, with what, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from marketplace.refusal import INVALID_PARAMETER, Refused

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    import asyncpg

    from foundation.money import FeeSchedule


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was verified; `params` fits the operation's input shape."""

    conn: asyncpg.Connection
    requester_id: str
    params: dict[str, Any]
    request_id: str
    now: datetime
    fees: FeeSchedule
    plain_origins: Collection[str]

    def text(self, name: str, *, longest: int, shortest: int = 0) -> str:
        """Return a text parameter, empty if it was not given, within the service's limits of length."""
        text: str = self.params.get(name, "")
        if not shortest <= len(text) <= longest:
            raise Refused(
                INVALID_PARAMETER, f"{name} must have {shortest} to {longest} characters, and has {len(text)}."
            )
        return text

    def number(self, name: str, *, low: int, high: int, default: int | None = None) -> int:
        """Return a number within the service's limits."""
        number = self.params.get(name, default)
        if number is None or not low <= number <= high:
            raise Refused(INVALID_PARAMETER, f"{name} must be between {low} and {high}, and is {number}.")
        return int(number)

    def refuse_unsupported(self, *names: str) -> None:
        """Refuse parameters that the contract has and this marketplace does not serve, rather than ignore them."""
        for name in names:
            if self.params.get(name):
                raise Refused(INVALID_PARAMETER, f"{name} is not served by this marketplace.")
