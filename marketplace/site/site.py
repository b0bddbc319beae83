"""What every page of the worker site stands on."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from marketplace.site.attempts import Attempts

if TYPE_CHECKING:
    import asyncpg

    from foundation.clock import Clock


@dataclass(frozen=True, slots=True)
class Site:
    """The site's ground.

    Attributes
    ----------
    pool
        Connections that see the marketplace's schema.
    clock
        The time.
    base_url
        Where browsers reach the server, without a trailing slash; ``/worker`` and ``/mturk`` are below it.
    session_life
        How long a browser stays signed in.
    attempts
        Failed sign-ins, counted against guessing.
    """

    pool: asyncpg.Pool
    clock: Clock
    base_url: str
    session_life: timedelta = timedelta(days=14)
    attempts: Attempts = field(default_factory=Attempts)

    @property
    def secure(self) -> bool:
        """Whether browsers come by https, so that cookies may be kept from anything less."""
        return self.base_url.startswith("https:")

    @property
    def origin(self) -> str:
        """Scheme, host and port by which browsers come."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}"
