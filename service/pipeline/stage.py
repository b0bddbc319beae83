"""What every stage is given when it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from foundation.clock import Clock
from service.store.dues import Connection, Due

if TYPE_CHECKING:
    from service.app import Service


@dataclass(frozen=True)
class Stage:
    """One run of a stage on a subject.

    `conn` holds the session's lock on (stage, subject) for as long as the run lasts, so that no other process runs it.
    """

    service: Service
    conn: Connection
    due: Due

    @property
    def clock(self) -> Clock:
        """The service's clock."""
        return self.service.clock
