"""The service: what its API and its pipeline share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from foundation.clock import Clock
from foundation.postgres.pool import create_pool
from foundation.settings import Settings
from service.markets import Market
from service.store import pace

SCHEMA = "assay"
_CONNECTIONS = 20


class Service:
    """A pool of connections, the clock, the settings, and the markets by name."""

    def __init__(self, settings: Settings, pool: Any, clock: Clock, markets: Mapping[str, Market]) -> None:
        self.settings, self.pool, self.clock, self.markets = settings, pool, clock, markets

    @classmethod
    async def open(cls, settings: Settings, dsn: str, clock: Clock, markets: Mapping[str, Market]) -> Service:
        """Connect to the database, whose schema is up to date, and enter the configured markets in it."""
        pool = await create_pool(dsn, min_size=2, max_size=_CONNECTIONS, schema=SCHEMA)
        async with pool.acquire() as conn:
            for name in markets:
                await pace.know_market(conn, name, settings.markets[name].initial_rate, clock.now())
        return cls(settings, pool, clock, markets)

    async def close(self) -> None:
        """Let go of connections and markets."""
        for market in self.markets.values():
            await market.close()
        await self.pool.close()
