"""Failed sign-ins, counted so that passwords cannot be guessed.

Counts live in this process. Of several on one database each allows its own few guesses, and so does a restart:
with ten characters and argon2 that is still nothing.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

WINDOW = timedelta(minutes=15)
MOST_KEYS = 20_000


class Attempts:
    """Counts failures in a sliding window: for a worker from one address, for a worker, and for an address.

    The narrow count is the strict one, so that a stranger who guesses at a worker's password from elsewhere
    does not soon lock the worker out.
    """

    LIMITS = (("worker and address", 5), ("worker", 30), ("address", 100))

    def __init__(self) -> None:
        self._failures: OrderedDict[tuple[str, str], deque[datetime]] = OrderedDict()

    def wait(self, worker: str, address: str, now: datetime) -> timedelta | None:
        """Return how long to wait before the next attempt is looked at; None where it may be made now."""
        waits = [
            failures[-limit] + WINDOW - now
            for key, limit in self._keys(worker, address)
            if len(failures := self._recent(key, now)) >= limit
        ]
        return max(waits, default=None)

    def fail(self, worker: str, address: str, now: datetime) -> None:
        """Count a failure."""
        for key, _ in self._keys(worker, address):
            self._failures.setdefault(key, deque(maxlen=100)).append(now)
            self._failures.move_to_end(key)
        while len(self._failures) > MOST_KEYS:
            self._failures.popitem(last=False)

    def succeed(self, worker: str, address: str) -> None:
        """Forget the worker's failures from this address: it was the worker."""
        self._failures.pop(("worker and address", f"{worker} {address}"), None)

    def _keys(self, worker: str, address: str) -> list[tuple[tuple[str, str], int]]:
        values = {"worker and address": f"{worker} {address}", "worker": worker, "address": address}
        return [((name, values[name]), limit) for name, limit in self.LIMITS]

    def _recent(self, key: tuple[str, str], now: datetime) -> deque[datetime]:
        failures = self._failures.get(key, deque())
        while failures and failures[0] <= now - WINDOW:
            failures.popleft()
        return failures
