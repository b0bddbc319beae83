"""What the first start of `assay up` makes, so that nothing has to be set up: a key, and an account on our market."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from foundation.ids import new_id
from marketplace.accounts import ensure_requester
from service.api.auth import SCOPES, hash_key, new_key
from service.store import keys, teams

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from foundation.clock import Clock
    from foundation.settings import MarketSettings, Settings
    from marketplace.app import Marketplace
    from service.app import Service
    from service.store.dues import Connection
    from service.store.keys import Key

DEFAULT_TEAM = "default"
EMBEDDED = "embedded"


async def make_key(
    conn: Connection, clock: Clock, *, team: str, name: str, scopes: Sequence[str] = tuple(SCOPES)
) -> tuple[Key, str]:
    """Make an API key for a team, which is made too where there is none, and return it with its secret."""
    now, secret = clock.now(), new_key()
    team_id = await teams.ensure(conn, new_id("team", clock), team, now)
    made = await keys.insert(
        conn,
        key_id=new_id("key", clock),
        team_id=team_id,
        name=name,
        key_hash=hash_key(secret),
        scopes=scopes,
        at=now,
    )
    return made, secret


async def first_key(service: Service) -> str | None:
    """Make a key for everything where there is none that works, and return its secret to be shown this once."""
    async with service.pool.acquire() as conn, conn.transaction():
        # Of two first starts at once the second waits here for the first one's team, and then finds its key.
        await teams.ensure(conn, new_id("team", service.clock), DEFAULT_TEAM, service.clock.now())
        if await keys.exist(conn):
            return None
        _, secret = await make_key(conn, service.clock, team=DEFAULT_TEAM, name="first start")
        return secret


async def embedded_markets(settings: Settings, marketplace: Marketplace) -> Mapping[str, MarketSettings]:
    """Return the markets, those that are embedded with this process' address and a requester's key of their name."""
    markets = dict(settings.markets)
    for name, market in markets.items():
        if market.endpoint == EMBEDDED:
            access_key, secret_key = await ensure_requester(
                marketplace.pool,
                key=marketplace.key,
                settings=marketplace.settings,
                now=marketplace.clock.now(),
                name=name,
            )
            markets[name] = msgspec.structs.replace(
                market, endpoint=f"{settings.local_url}/mturk", access_key=access_key, secret_key=secret_key
            )
    return markets
