"""Silence: since when a market has not answered, and whom to tell."""

from __future__ import annotations

from datetime import datetime, timedelta

from service.store.dues import Connection

# The jobs are told by whoever finds the silence old enough first.
_FALL = """
UPDATE market SET silent_since = coalesce(silent_since, $2),
    silence_told = silence_told OR coalesce(silent_since, $2) <= $3
FROM (SELECT silence_told AS was_told FROM market WHERE market_no = $1 FOR UPDATE) before
WHERE market_no = $1 RETURNING silent_since, silence_told AND NOT was_told
"""
_BREAK = """
UPDATE market SET silent_since = NULL, silence_told = false
FROM (SELECT silent_since, silence_told FROM market WHERE market_no = $1 AND silent_since IS NOT NULL FOR UPDATE) before
WHERE market_no = $1 RETURNING before.silent_since, before.silence_told
"""
_JOBS = "SELECT job_no FROM job WHERE market_no = $1 AND state IN ('running', 'paused', 'cancelling') ORDER BY job_no"
_AFTER = timedelta(minutes=10)  # a person should hear of a silence that is longer


async def fallen(conn: Connection, market_no: int, now: datetime) -> tuple[datetime, list[int]]:
    """Note that a market does not answer; returns since when, and the jobs to tell, each silence once."""
    since, is_news = await conn.fetchrow(_FALL, market_no, now, now - _AFTER)
    return since, await _jobs(conn, market_no) if is_news else []


async def broken(conn: Connection, market_no: int) -> tuple[datetime | None, list[int]]:
    """Note that a market answers; returns since when it had not, and the jobs to tell where they knew."""
    row = await conn.fetchrow(_BREAK, market_no)
    if row is None:
        return None, []
    since, was_told = row
    return since, await _jobs(conn, market_no) if was_told else []


async def _jobs(conn: Connection, market_no: int) -> list[int]:
    return [row["job_no"] for row in await conn.fetch(_JOBS, market_no)]
