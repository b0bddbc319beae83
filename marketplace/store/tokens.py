"""Request tokens: a creation, an extension or a bonus that is asked for again within 24 hours is not done again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

LIFE: Final = timedelta(hours=24)

CLAIM: Final = """token AS (
    INSERT INTO request_token (requester_id, effect, token, made, created_at)
    SELECT {requester}, '{effect}', {value}::text, {made}, {now}::timestamptz WHERE {value} IS NOT NULL
    ON CONFLICT (requester_id, effect, token) DO UPDATE SET made = excluded.made, created_at = excluded.created_at
     WHERE request_token.created_at <= excluded.created_at - interval '24 hours'
    RETURNING 1
)"""
"""A part of a statement that takes the token; what the statement does, it does where `GRANTED` holds."""

GRANTED: Final = "({value}::text IS NULL OR EXISTS (SELECT FROM token))"


async def made_by(
    conn: asyncpg.Connection, *, requester_id: str, effect: str, token: str | None, now: datetime | None = None
) -> str | None:
    """Tell what was made under a token, if it was used (within 24 hours of `now`, where that is given)."""
    if token is None:
        return None
    made: str | None = await conn.fetchval(
        """SELECT made FROM request_token WHERE requester_id = $1 AND effect = $2 AND token = $3
              AND ($4::timestamptz IS NULL OR created_at > $4)""",
        requester_id,
        effect,
        token,
        None if now is None else now - LIFE,
    )
    return made


async def forget_old(conn: asyncpg.Connection, *, now: datetime) -> None:
    """Delete the tokens that have lived 24 hours."""
    await conn.execute("DELETE FROM request_token WHERE created_at <= $1", now - LIFE)
