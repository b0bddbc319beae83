"""The marketplace put together."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog
from litestar import Router

from foundation.money import FEE_SCHEDULES
from foundation.postgres.migrations import migration_state
from foundation.postgres.pool import create_pool
from marketplace.installation import load_installation_key
from marketplace.misbehaviour import Misbehaviour
from marketplace.site import Site, create_site_router
from marketplace.store import assignments, lifetimes, reviews, sessions, tokens
from marketplace.submission import create_submission_handler
from marketplace.wire.endpoint import Endpoint
from marketplace.wire.keyring import Keyring
from marketplace.wire.routes import create_wire_handlers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime
    from pathlib import Path

    import asyncpg

    from foundation.clock import Clock
    from foundation.settings import MarketplaceSettings
    from marketplace.installation import InstallationKey

CONNECTIONS = 10
_BATCH = 500

_log = structlog.get_logger(__name__)


class Marketplace:
    """A marketplace on a database that was migrated; any number may run on one database."""

    def __init__(
        self,
        *,
        pool: asyncpg.Pool,
        settings: MarketplaceSettings,
        public_url: str,
        key: InstallationKey,
        clock: Clock,
    ) -> None:
        self.pool = pool
        self.settings = settings
        self.public_url = public_url.rstrip("/")
        self.key = key
        self.clock = clock
        self.misbehaviour = Misbehaviour() if settings.misbehave else None

    @classmethod
    async def open(
        cls, dsn: str, settings: MarketplaceSettings, public_url: str, data: Path, clock: Clock
    ) -> Marketplace:
        """Connect, and read the installation key.

        Raises
        ------
        DatabaseError, InstallationKeyError
            One line that says what to do.
        """
        key = load_installation_key(data, settings.installation_key)
        pool = await create_pool(dsn, min_size=2, max_size=CONNECTIONS, schema="marketplace", stateless=True)
        return cls(pool=pool, settings=settings, public_url=public_url, key=key, clock=clock)

    async def close(self) -> None:
        """Let the connections go."""
        await self.pool.close()

    def router(self) -> Router:
        """Make the router that serves ``/mturk`` and ``/worker``."""
        return Router(path="/", route_handlers=[self.requester_router(), self.site_router()])

    def requester_router(self) -> Router:
        """Make the router of the Requester API, and of the place where workers' forms are sent."""
        origin = urlsplit(self.public_url)
        endpoint = Endpoint(
            pool=self.pool,
            keyring=Keyring(self.pool, self.key, self.clock),
            clock=self.clock,
            fees=FEE_SCHEDULES[self.settings.fees],
            plain_origins=frozenset({f"{origin.scheme}://{origin.netloc}".lower()}),
        )
        submit = create_submission_handler(
            self.pool, self.clock, base_url=self.public_url, misbehaviour=self.misbehaviour
        )
        return Router(path="/mturk", route_handlers=[*create_wire_handlers(endpoint, self.misbehaviour), submit])

    def site_router(self) -> Router:
        """Make the router of the worker site."""
        site = Site(
            pool=self.pool,
            clock=self.clock,
            base_url=self.public_url,
            session_life=timedelta(days=self.settings.session_days),
        )
        return create_site_router(site)

    async def check(self) -> str | None:
        """Tell what is missing for this marketplace to be ready, or None."""
        state = await migration_state(self.pool, "marketplace")
        return None if state.ready else f"migration {state.head} is missing; the database has {state.applied}"

    async def sweep(self) -> None:
        """Do what is due by the clock; safe to run anywhere and at any time, by several at once."""
        now = self.clock.now()
        abandoned = await self._drain(assignments.abandon_late, now)
        lapsed = await self._drain(lifetimes.lapse, now)
        approved = await self._drain(reviews.approve_due, now)
        disposed = await self._drain(lifetimes.dispose_old, now)
        async with self.pool.acquire() as conn:
            await tokens.forget_old(conn, now=now)
            await sessions.forget_expired(conn, now=now)
        if abandoned or lapsed or approved or disposed:
            _log.info("swept", abandoned=abandoned, lapsed=lapsed, approved=approved, disposed=disposed)

    async def _drain(self, duty: Callable[..., Awaitable[int]], now: datetime) -> int:
        total = 0
        while True:
            async with self.pool.acquire() as conn:
                done = await duty(conn, now=now, limit=_BATCH)
            total += done
            if done < _BATCH:
                return total
