"""Teams: who owns jobs and keys."""

from __future__ import annotations

from datetime import datetime

from service.store.dues import Connection

_FIND = "SELECT team_id FROM team WHERE name = $1"
_ENSURE = """
WITH made AS (
    INSERT INTO team (team_id, name, created_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING RETURNING team_id
)
SELECT team_id FROM made UNION ALL SELECT team_id FROM team WHERE name = $2 LIMIT 1
"""


async def ensure(conn: Connection, team_id: str, name: str, at: datetime) -> str:
    """Return the id of the team with this name; `team_id` becomes it where there is none."""
    known: str | None = await conn.fetchval(_ENSURE, team_id, name, at)
    # Another transaction may have entered it since our statement's snapshot: then a second look sees it.
    return known or await ensure(conn, team_id, name, at)


async def find(conn: Connection, name: str) -> str | None:
    """Return the id of the team with this name, or None where there is none."""
    found: str | None = await conn.fetchval(_FIND, name)
    return found
