"""How far a job is, in counts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct

from service.store.dues import Connection

_ITEMS = """
SELECT is_gold, coalesce(settled_by, 'open') AS standing, count(*) AS n FROM item WHERE job_no = $1 GROUP BY 1, 2
"""
_UNSLICED = """
SELECT count(*) FROM item i WHERE i.job_no = $1 AND i.state = 'open' AND NOT i.is_gold
  AND NOT EXISTS (SELECT FROM hit_slot s WHERE s.job_no = i.job_no AND s.item_no = i.item_no AND NOT s.gone)
"""
_HITS = "SELECT state, count(*), sum(pending)::int8 FROM hit WHERE job_no = $1 GROUP BY state"
_ASSIGNMENTS = """
SELECT state, count(*), count(*) FILTER (WHERE problem IS NOT NULL) FROM assignment WHERE job_no = $1 GROUP BY state
"""
_ANSWERS = "SELECT count(*) FROM answer WHERE job_no = $1"
_WORKERS = "SELECT count(*) FROM job_worker WHERE job_no = $1"
_LABELLED = """
SELECT count(*) FROM consensus c JOIN item i USING (job_no, item_no) WHERE c.job_no = $1 AND NOT i.is_gold
"""
_EFFECTS = """
SELECT count(*) FILTER (WHERE state = 'due'), count(*) FILTER (WHERE state = 'parked') FROM effect
WHERE job_no = $1 AND state IN ('due', 'parked')
"""
_EVENTS = """
SELECT event_no, at, kind, message, detail FROM job_event WHERE job_no = $1 AND event_no < $2
ORDER BY event_no DESC LIMIT $3
"""


class Counts(Struct, frozen=True):
    """A job's rows, counted. items and gold: by what they were settled by, or open; hits, assignments: by state."""

    items: dict[str, int]
    gold: dict[str, int]
    unsliced: int
    labelled: int
    hits: dict[str, int]
    pending: int
    assignments: dict[str, int]
    problems: int
    answers: int
    workers: int
    effects_due: int
    effects_parked: int


class Event(Struct, frozen=True):
    """What happened to a job, for a person to read."""

    event_no: int
    at: datetime
    kind: str
    message: str
    detail: dict[str, Any]


async def count(conn: Connection, job_no: int) -> Counts:
    """Count a job's rows, all as of one moment."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        items = await conn.fetch(_ITEMS, job_no)
        hits = await conn.fetch(_HITS, job_no)
        assignments = await conn.fetch(_ASSIGNMENTS, job_no)
        effects = await conn.fetchrow(_EFFECTS, job_no)
        return Counts(
            items={row["standing"]: row["n"] for row in items if not row["is_gold"]},
            gold={row["standing"]: row["n"] for row in items if row["is_gold"]},
            unsliced=await conn.fetchval(_UNSLICED, job_no),
            labelled=await conn.fetchval(_LABELLED, job_no),
            hits={row[0]: row[1] for row in hits},
            pending=sum(row[2] for row in hits),
            assignments={row[0]: row[1] for row in assignments},
            problems=sum(row[2] for row in assignments),
            answers=await conn.fetchval(_ANSWERS, job_no),
            workers=await conn.fetchval(_WORKERS, job_no),
            effects_due=effects[0],
            effects_parked=effects[1],
        )


async def events(conn: Connection, job_no: int, *, before: int, limit: int) -> list[Event]:
    """Return what happened to a job, the latest first."""
    return [Event(*row) for row in await conn.fetch(_EVENTS, job_no, before, limit)]
