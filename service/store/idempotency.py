"""What a request with an Idempotency-Key made, so that the same request made again finds it."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from service.store.dues import Connection

# Waits for a transaction that has the same key in hand, then inserts nothing if that one committed.
_CLAIM = """
INSERT INTO idempotency (team_id, key, request_hash, job_id, created_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING RETURNING true
"""
_FIND = "SELECT request_hash, job_id FROM idempotency WHERE team_id = $1 AND key = $2"


class Remembered(Struct, frozen=True):
    """What an earlier request with the same key was, and the job that it made."""

    request_hash: bytes
    job_id: str


async def claim(
    conn: Connection, team_id: str, key: str, *, request_hash: bytes, job_id: str, at: datetime
) -> Remembered | None:
    """Keep a key for the job that the caller's transaction makes; returns what had it before, if anything did."""
    if await conn.fetchval(_CLAIM, team_id, key, request_hash, job_id, at):
        return None
    return Remembered(*await conn.fetchrow(_FIND, team_id, key))
