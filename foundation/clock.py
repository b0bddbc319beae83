"""The time, from a clock that is handed in, so that tests move it instead of waiting for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What tells the time. Everything that needs it is given one."""

    def now(self) -> datetime:
        """Return the time, aware and in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the machine's time in UTC."""
        return datetime.now(UTC)


class ManualClock:
    """A clock that stands still until it is advanced.

    Parameters
    ----------
    start : datetime
        An aware time; it is kept in UTC.
    """

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            msg = "a clock starts at an aware time"
            raise ValueError(msg)
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """Return the time it was last set to."""
        return self._now

    def advance(self, *, seconds: float) -> None:
        """Move the time on; a clock never goes back."""
        if seconds < 0:
            msg = f"a clock never goes back: seconds={seconds}"
            raise ValueError(msg)
        self._now += timedelta(seconds=seconds)
