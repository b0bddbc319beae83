"""Who signs with which key: looked up in the database and remembered for a moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from marketplace.store import requesters
from marketplace.wire.signature import unknown_key

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

    from foundation.clock import Clock
    from marketplace.installation import InstallationKey

MEMORY: Final = timedelta(seconds=5)
"""For so long a key that was revoked by another process still works here; a query a request is what it saves."""


@dataclass(frozen=True, slots=True)
class Signer:
    """The requester that a key belongs to, and the key's secret."""

    requester_id: str
    secret: str
    known_until: datetime


class Keyring:
    """Finds the signer of an access key."""

    def __init__(self, pool: asyncpg.Pool, key: InstallationKey, clock: Clock) -> None:
        self._pool = pool
        self._key = key
        self._clock = clock
        self._known: dict[str, Signer] = {}

    async def signer(self, access_key: str) -> Signer:
        """Return whose key it is.

        Raises
        ------
        Fault
            Where the key is unknown or revoked.
        """
        now = self._clock.now()
        signer = self._known.get(access_key)
        if signer is not None and now < signer.known_until:
            return signer
        async with self._pool.acquire() as conn:
            found = await requesters.find_key(conn, access_key)
        if found is None:
            self._known.pop(access_key, None)
            raise unknown_key()
        requester_id, kept = found
        signer = Signer(requester_id, self._key.decrypt(kept), now + MEMORY)
        self._known[access_key] = signer
        return signer
