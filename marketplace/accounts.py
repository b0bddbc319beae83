"""Requesters for those who run the marketplace: made ready on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.store import ledger, requesters

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

    from foundation.settings import MarketplaceSettings
    from marketplace.installation import InstallationKey

DEFAULT_REQUESTER: Final = "house"
"""The requester that the embedded service posts as, and that commands mean where none is named."""

_ONE_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock(hashtextextended('assay marketplace requester ' || $1, 0))"


async def ensure_requester(
    pool: asyncpg.Pool,
    *,
    key: InstallationKey,
    settings: MarketplaceSettings,
    now: datetime,
    name: str = DEFAULT_REQUESTER,
) -> tuple[str, str]:
    """Return a key of the requester of this name, as (access key, secret).

    The requester is made, with the opening deposit, where there is none, and a key where it has none. However many
    processes ask at once, there is one of each.

    Raises
    ------
    InstallationKeyError
        Where the requester's key was encrypted under another installation key.
    """
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute(_ONE_AT_A_TIME, name)
        requester, made = await requesters.ensure(conn, name=name, now=now)
        requester_id = requester.requester_id
        if made and settings.opening_deposit_cents:
            await ledger.deposit(conn, requester_id=requester_id, cents=settings.opening_deposit_cents, now=now)
        kept = await requesters.newest_key(conn, requester_id=requester_id)
        if kept is not None:
            access_key, secret = kept
            return access_key, key.decrypt(secret)
        return await requesters.create_key(conn, requester_id=requester_id, key=key, now=now)
