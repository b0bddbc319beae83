"""The service: what its API and its pipeline are handed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from foundation.postgres.pool import create_pool
from service.sharing import Keeping, Sharing
from service.store import pace

if TYPE_CHECKING:
    from collections.abc import Mapping

    import asyncpg

    from foundation.clock import Clock
    from foundation.settings import Settings
    from service.markets.market import Market

SCHEMA = "assay"
# Of reports over all of a job's answers; each may take seconds of a core and a gigabyte for some ten million answers.
_REPORTS_AT_ONCE = 2
# A worker report over a million answers by 20,000 workers takes some 90 MB.
_REPORTS_KEPT_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Service:
    """One process' hold on the world: its database, its markets, its clock and its settings.

    `reports` makes what is computed over all of a job's answers; `kept_reports` what is asked for page by page.
    """

    pool: asyncpg.Pool
    clock: Clock
    settings: Settings
    markets: Mapping[str, Market]
    reports: Sharing = field(default_factory=lambda: Sharing(_REPORTS_AT_ONCE))
    kept_reports: Keeping = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kept_reports", Keeping(self.reports, _REPORTS_KEPT_BYTES))

    @classmethod
    async def open(
        cls, settings: Settings, dsn: str, clock: Clock, markets: Mapping[str, Market], *, connections: int = 20
    ) -> Self:
        """Connect to the database.

        Parameters
        ----------
        settings : Settings
            All of them; `settings.markets` may name more markets than this process opens.
        dsn : str
            The database, migrated.
        clock : Clock
            The time.
        markets : Mapping
            The markets of this process by name; `close` closes them.
        connections : int
            The most connections held at once. The pipeline takes up to nine of them.

        Raises
        ------
        DatabaseError
            Where the database cannot be reached or is too old.
        """
        pool = await create_pool(dsn, min_size=1, max_size=connections, schema=SCHEMA)
        async with pool.acquire() as conn:
            for name, market in settings.markets.items():
                await pace.know_market(conn, name, market.initial_rate, clock.now())
        return cls(pool=pool, clock=clock, settings=settings, markets=dict(markets))

    async def close(self) -> None:
        """Let go of markets and database."""
        for market in self.markets.values():
            await market.close()
        await self.pool.close()
