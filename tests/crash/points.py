"""Named points at which a process kills itself, once each, and the book in which it says so first.

The points are put into the running code from outside, where it has its seams: around every call to the market, every
stage, every save, every effect, every operation of the marketplace. The product holds none of this.
"""

from __future__ import annotations

import fcntl
import os
import signal
from pathlib import Path

STAGES = ("slice", "publish", "collect", "score", "infer", "decide", "settle", "deliver")
CALLS = (
    "hit_type",
    "create_hit",
    "extend_hit",
    "expire_hit",
    "renew_hit",
    "delete_hit",
    "find_hit",
    "list_hits",
    "handed_in",
    "worker_of",
    "approve",
    "qualification",
    "give_qualification",
    "take_qualification",
)
OPERATIONS = (
    "CreateHITType",
    "CreateHITWithHITType",
    "CreateAdditionalAssignmentsForHIT",
    "UpdateExpirationForHIT",
    "DeleteHIT",
    "GetHIT",
    "ListHITs",
    "ListAssignmentsForHIT",
    "GetAssignment",
    "ApproveAssignment",
    "CreateQualificationType",
    "ListQualificationTypes",
    "AssociateQualificationWithWorker",
    "DisassociateQualificationFromWorker",
    "accept",
    "externalSubmit",
)
REQUESTS = ("create", "items", "launch", "state", "trust")

WORK = frozenset(
    [f"stage.{stage}.{moment}" for stage in STAGES for moment in ("begun", "saving", "saved")]
    + [f"market.{call}.{moment}" for call in CALLS for moment in ("before", "after")]
    + [f"outbox.{moment}" for moment in ("sending", "saving", "saved")]
)
MARKETPLACE = frozenset(f"marketplace.{name}.{moment}" for name in OPERATIONS for moment in ("before", "after"))
SERVE = frozenset(f"api.{name}.saving" for name in REQUESTS)
ALL = WORK | MARKETPLACE | SERVE


class Book:
    """The points that were hit, one to a line, in a file that outlives every process."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def hits(self) -> list[tuple[str, str, int]]:
        """Return (point, process, pid) in the order in which they were hit."""
        if not self.path.exists():
            return []
        lines = self.path.read_text().split("\n")[:-1]
        return [(point, name, int(pid)) for point, name, pid in (line.split() for line in lines)]

    def claim(self, point: str, process: str) -> bool:
        """Write a point down, if no process has: of all that reach it, one dies."""
        with self.path.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            if any(line.split()[0] == point for line in file.read().split("\n")[:-1]):
                return False
            file.write(f"{point} {process} {os.getpid()}\n")
            file.flush()
            os.fsync(file.fileno())
        return True


class Points:
    """The points at which this process is to die: those that nobody has hit yet."""

    def __init__(self, book: Book, process: str, wanted: frozenset[str]) -> None:
        self._book, self._process = book, process
        self._left = wanted - {point for point, _, _ in book.hits()}

    def reach(self, point: str) -> None:
        """Die here, unless somebody has before."""
        if point in self._left:
            self._left -= {point}
            if self._book.claim(point, self._process):
                os.kill(os.getpid(), signal.SIGKILL)
