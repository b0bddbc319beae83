"""What a request with an Idempotency-Key made, so that the same request made again finds it."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec import Struct

from service.store.dues import Connection

KEPT = timedelta(days=30)
"""How long a key is known: longer than whatever sends a request again goes on trying."""

# Waits for a transaction that has the same key in hand, then changes nothing if that one committed. A key past its age
# is as good as gone.
_CLAIM = """
INSERT INTO idempotency AS i (team_id, key, request_hash, job_id, created_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (team_id, key) DO UPDATE
    SET request_hash = excluded.request_hash, job_id = excluded.job_id, created_at = excluded.created_at
    WHERE i.created_at <= $6
RETURNING true
"""
_FIND = "SELECT request_hash, job_id FROM idempotency WHERE team_id = $1 AND key = $2"
# Every key that comes in lets go of more than one, whosever they are, so they never pile up, and nobody waits for it.
_FORGET = """
WITH past AS (
    SELECT team_id, key FROM idempotency WHERE created_at <= $1 ORDER BY created_at LIMIT 100 FOR UPDATE SKIP LOCKED
)
DELETE FROM idempotency i USING past WHERE i.team_id = past.team_id AND i.key = past.key
"""


class Remembered(Struct, frozen=True):
    """What an earlier request with the same key was, and the job that it made."""

    request_hash: bytes
    job_id: str


async def claim(
    conn: Connection, team_id: str, key: str, *, request_hash: bytes, job_id: str, at: datetime
) -> Remembered | None:
    """Keep a key for the job that the caller's transaction makes; returns what had it before, if anything did."""
    if await conn.fetchval(_CLAIM, team_id, key, request_hash, job_id, at, at - KEPT):
        await conn.execute(_FORGET, at - KEPT)
        return None
    return Remembered(*await conn.fetchrow(_FIND, team_id, key))
