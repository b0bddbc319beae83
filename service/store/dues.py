"""What is due: the state that says which stage has work on which subject."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypeAlias

import asyncpg
from msgspec import Struct

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

CHANNEL = "assay_due"

_WANT = """
INSERT INTO due (stage, subject, due_at) VALUES ($1, $2, $3)
ON CONFLICT (stage, subject) DO UPDATE SET
    wanted = due.wanted + 1,
    due_at = CASE WHEN due.finished < due.wanted THEN least(due.due_at, excluded.due_at) ELSE excluded.due_at END
"""
_WANT_ALL = """
INSERT INTO due (stage, subject, due_at)
SELECT w.stage, $1, w.at FROM unnest($2::text[], $3::timestamptz[]) AS w (stage, at)
ON CONFLICT (stage, subject) DO UPDATE SET
    wanted = due.wanted + 1,
    due_at = CASE WHEN due.finished < due.wanted THEN least(due.due_at, excluded.due_at) ELSE excluded.due_at END
"""
_FINISH = "UPDATE due SET finished = greatest(finished, $3) WHERE stage = $1 AND subject = $2"
_READY = """
SELECT stage, subject, wanted FROM due
WHERE finished < wanted AND greatest(due_at, rests_until) <= $1
ORDER BY greatest(due_at, rests_until)
"""
_NEXT = """
SELECT min(greatest(due_at, rests_until)) FROM due WHERE finished < wanted AND greatest(due_at, rests_until) > $1
"""
_CLAIM = """
SELECT wanted FROM due
WHERE stage = $1 AND subject = $2 AND finished < wanted AND greatest(due_at, rests_until) <= $3
"""
_REST = "UPDATE due SET rests_until = greatest(rests_until, $3) WHERE stage = $1 AND subject = $2"
_WAKE = "UPDATE due SET rests_until = '-infinity' WHERE stage = $1 AND subject = $2"
_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('assay:' || $1::text || ':' || $2::bigint::text, 0))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtextextended('assay:' || $1::text || ':' || $2::bigint::text, 0))"


class Due(Struct, frozen=True):
    """A stage that has work on a subject, and how much had been wanted when it was read."""

    stage: str
    subject: int
    wanted: int


async def want(conn: Connection, stage: str, subject: int, at: datetime) -> None:
    """Ask for a stage to run on a subject, not before `at` nor in its rest, once the caller's transaction commits."""
    await conn.execute(_WANT, stage, subject, at)
    await conn.execute(f"NOTIFY {CHANNEL}")


async def want_all(conn: Connection, subject: int, stages: Mapping[str, datetime]) -> None:
    """Ask for several stages of a subject at once, in the order of their names, as `finish` does."""
    names = sorted(stages)
    await conn.execute(_WANT_ALL, subject, names, [stages[name] for name in names])
    await conn.execute(f"NOTIFY {CHANNEL}")


async def finish(conn: Connection, due: Due, *, now: datetime, then: Mapping[str, datetime] | None = None) -> None:
    """Finish what was wanted when `due` was read, and ask for other stages of the same subject.

    Rows are taken in the order of their stages' names, so that two stages never wait for each other.
    """
    after = dict(then or {})
    for stage in sorted({due.stage, *after}):
        if stage == due.stage:
            await conn.execute(_FINISH, stage, due.subject, due.wanted)
        if stage in after:
            await conn.execute(_WANT, stage, due.subject, max(now, after[stage]))
    if after:
        await conn.execute(f"NOTIFY {CHANNEL}")


async def ready(conn: Connection, now: datetime) -> list[Due]:
    """Return what is due now, the longest due first."""
    return [Due(*row) for row in await conn.fetch(_READY, now)]


async def next_at(conn: Connection, now: datetime) -> datetime | None:
    """Return when the next thing falls due after `now`."""
    at: datetime | None = await conn.fetchval(_NEXT, now)
    return at


async def claim(conn: Connection, stage: str, subject: int, now: datetime) -> Due | None:
    """Take the session's lock on a stage of a subject and return what is due, or None.

    The lock goes with the connection: a process that dies holds nothing.
    """
    if not await conn.fetchval(_LOCK, stage, subject):
        return None
    wanted = await conn.fetchval(_CLAIM, stage, subject, now)
    if wanted is None:
        await release(conn, stage, subject)
        return None
    return Due(stage, subject, wanted)


async def release(conn: Connection, stage: str, subject: int) -> None:
    """Give the session's lock back."""
    await conn.execute(_UNLOCK, stage, subject)


async def rest(conn: Connection, due: Due, until: datetime) -> None:
    """Run a stage on a subject no more before `until`, however early it is wanted."""
    await conn.execute(_REST, due.stage, due.subject, until)


async def wake(conn: Connection, stage: str, subject: int) -> None:
    """End a stage's rest, as for the last run of a job that is over."""
    await conn.execute(_WAKE, stage, subject)
