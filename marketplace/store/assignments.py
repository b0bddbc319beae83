"""Assignments, as workers move them: accepted, submitted, returned, abandoned.

Each move is one statement that also counts it in the HIT's row, so that the two agree in every snapshot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import asyncpg

from marketplace.answers import encode_answers
from marketplace.identifiers import new_id
from marketplace.refusal import (
    ASSIGNMENT_ALREADY_EXISTS,
    ASSIGNMENT_DOES_NOT_EXIST,
    HIT_DOES_NOT_EXIST,
    INVALID_ASSIGNMENT_STATE,
    NO_HITS_AVAILABLE,
    PERMISSION_DENIED,
    Refused,
)
from marketplace.store.qualifications import refuse_unqualified

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

State = Literal["accepted", "submitted", "approved", "rejected", "returned", "abandoned"]

COLUMNS = """assignment_id, hit_id, worker_id, state, accepted_at, deadline, submitted_at, auto_approve_at,
    approved_at, rejected_at, ended_at, answer, feedback"""


@dataclass(frozen=True, slots=True)
class Assignment:
    """One worker's acceptance of one HIT; `ended_at` is when it was returned or abandoned."""

    assignment_id: str
    hit_id: str
    worker_id: str
    state: State
    accepted_at: datetime
    deadline: datetime
    submitted_at: datetime | None
    auto_approve_at: datetime | None
    approved_at: datetime | None
    rejected_at: datetime | None
    ended_at: datetime | None
    answer: str | None
    feedback: str | None


_ACCEPT = f"""
WITH place AS (
    UPDATE hit SET pending = pending + 1
     WHERE hit_id = $1 AND open AND expires_at > $4
       AND EXISTS (SELECT FROM worker WHERE worker_id = $2 AND state = 'active')
       -- Seen before the HIT is locked, so that a worker's own second request waits for nobody.
       AND NOT EXISTS (SELECT FROM assignment mine
                        WHERE mine.hit_id = $1 AND mine.worker_id = $2
                          AND mine.state NOT IN ('returned', 'abandoned'))
    RETURNING hit_id, hit_type_id
)
INSERT INTO assignment (assignment_id, hit_id, worker_id, state, accepted_at, deadline)
SELECT $3, place.hit_id, $2, 'accepted', $4, $4 + make_interval(secs => assignment_duration_seconds)
  FROM place JOIN hit_type USING (hit_type_id)
RETURNING {COLUMNS}
"""  # noqa: S608 - COLUMNS is a constant

_SUBMIT = f"""
WITH moved AS (
    UPDATE assignment
       SET state = 'submitted', submitted_at = $2, answer = $3,
           auto_approve_at = $2 + make_interval(secs => (
               SELECT auto_approval_delay_seconds FROM hit_type JOIN hit USING (hit_type_id)
                WHERE hit.hit_id = assignment.hit_id))
     WHERE assignment_id = $1 AND state = 'accepted' AND deadline > $2
    RETURNING {COLUMNS}
), counted AS (
    UPDATE hit SET pending = pending - 1, submitted = submitted + 1 FROM moved WHERE hit.hit_id = moved.hit_id
)
SELECT * FROM moved
"""  # noqa: S608 - COLUMNS is a constant

# A place given up after its HIT lapsed is offered to nobody, and the money held for it goes back. HITs are locked in
# the order of their ids: of two sweeps at once, each with many HITs, the two do not wait for each other.
_END = """
), ended AS (
    SELECT hit_id, count(*)::int AS places FROM moved GROUP BY hit_id
), locked AS (
    SELECT hit_id FROM hit WHERE hit_id IN (SELECT hit_id FROM ended) ORDER BY hit_id FOR NO KEY UPDATE
), counted AS (
    UPDATE hit SET pending = hit.pending - ended.places
      FROM ended JOIN locked USING (hit_id) WHERE hit.hit_id = ended.hit_id
    RETURNING hit.hit_id, hit.requester_id, hit.lapsed,
              (hit.reward_cents + hit.fee_cents)::bigint * ended.places AS cents
), freed AS (
    INSERT INTO ledger (requester_id, entry, amount_cents, hit_id, made_at)
    SELECT requester_id, 'release', cents, hit_id, $1 FROM counted WHERE lapsed AND cents > 0
)
"""

_GIVE_BACK = f"""
WITH moved AS (
    UPDATE assignment SET state = 'returned', ended_at = $1
     WHERE assignment_id = $2 AND worker_id = $3 AND state = 'accepted'
    RETURNING {COLUMNS}
{_END}
SELECT * FROM moved
"""  # noqa: S608 - constants

_ABANDON = f"""
WITH late AS (
    SELECT assignment_id FROM assignment WHERE state = 'accepted' AND deadline <= $1
     ORDER BY deadline LIMIT $2 FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE assignment SET state = 'abandoned', ended_at = $1
      FROM late WHERE assignment.assignment_id = late.assignment_id
    RETURNING assignment.hit_id
{_END}
SELECT count(*) FROM moved
"""  # noqa: S608 - constants


async def accept(conn: asyncpg.Connection, *, worker_id: str, hit_id: str, now: datetime) -> Assignment:
    """Give a worker one of the HIT's places.

    Raises
    ------
    Refused
        Where the HIT is unknown, over or full, or the worker holds it, did it, is disabled or not qualified.
    """
    await refuse_unqualified(conn, worker_id=worker_id, hit_id=hit_id)
    try:
        row = await conn.fetchrow(_ACCEPT, hit_id, worker_id, new_id(), now)
    except asyncpg.UniqueViolationError:
        raise _already_accepted() from None
    if row is None:
        raise await _why_not_accepted(conn, worker_id=worker_id, hit_id=hit_id, now=now)
    return Assignment(**row)


async def submit(
    conn: asyncpg.Connection, *, assignment_id: str, fields: Sequence[tuple[str, str]], now: datetime
) -> Assignment:
    """Take in the work of an assignment, once, as long as its own deadline holds, even where the HIT is over.

    Raises
    ------
    Refused
        Where the assignment is unknown, was submitted or given back before, or is too late.
    """
    row = await conn.fetchrow(_SUBMIT, assignment_id, now, encode_answers(fields))
    if row is None:
        raise await _why_not_submitted(conn, assignment_id)
    return Assignment(**row)


async def give_back(conn: asyncpg.Connection, *, worker_id: str, assignment_id: str, now: datetime) -> Assignment:
    """Return an accepted assignment; the worker may accept the HIT again, and so may others.

    Raises
    ------
    Refused
        Where the worker holds no such assignment, or it is not open any more.
    """
    row = await conn.fetchrow(_GIVE_BACK, now, assignment_id, worker_id)
    if row is None:
        held = await find(conn, assignment_id)
        if held is None or held.worker_id != worker_id:
            raise _unknown(assignment_id)
        raise Refused(INVALID_ASSIGNMENT_STATE, f"This assignment cannot be returned: it is {held.state}.")
    return Assignment(**row)


async def abandon_late(conn: asyncpg.Connection, *, now: datetime, limit: int = 500) -> int:
    """End accepted assignments whose deadline is over, at most `limit` of them; returns how many."""
    count: int = await conn.fetchval(_ABANDON, now, limit)
    return count


async def find(conn: asyncpg.Connection, assignment_id: str) -> Assignment | None:
    """Look an assignment up, in whatever state."""
    row = await conn.fetchrow(f"SELECT {COLUMNS} FROM assignment WHERE assignment_id = $1", assignment_id)  # noqa: S608
    return None if row is None else Assignment(**row)


async def held(conn: asyncpg.Connection, *, worker_id: str, hit_id: str) -> Assignment | None:
    """Find the assignment by which a worker holds or did a HIT; one returned or abandoned does not count."""
    row = await conn.fetchrow(
        f"""SELECT {COLUMNS} FROM assignment
             WHERE hit_id = $1 AND worker_id = $2 AND state NOT IN ('returned', 'abandoned')""",  # noqa: S608
        hit_id,
        worker_id,
    )
    return None if row is None else Assignment(**row)


def _unknown(assignment_id: str) -> Refused:
    return Refused(ASSIGNMENT_DOES_NOT_EXIST, f"Assignment {assignment_id} does not exist.")


def _already_accepted() -> Refused:
    return Refused(ASSIGNMENT_ALREADY_EXISTS, "You have already accepted this HIT; each worker may do a HIT once.")


async def _why_not_accepted(conn: asyncpg.Connection, *, worker_id: str, hit_id: str, now: datetime) -> Refused:
    state = await conn.fetchval("SELECT state FROM worker WHERE worker_id = $1", worker_id)
    if state != "active":
        return Refused(PERMISSION_DENIED, f"Worker {worker_id} may not accept work here.")
    hit = await conn.fetchrow("SELECT open, lapsed, expires_at, disposed_at FROM hit WHERE hit_id = $1", hit_id)
    if hit is None or hit["disposed_at"] is not None:
        return Refused(HIT_DOES_NOT_EXIST, f"HIT {hit_id} does not exist.")
    if await conn.fetchval(
        """SELECT EXISTS (SELECT FROM assignment WHERE hit_id = $1 AND worker_id = $2
                             AND state NOT IN ('returned', 'abandoned'))""",
        hit_id,
        worker_id,
    ):
        return _already_accepted()
    if hit["lapsed"] or hit["expires_at"] <= now:
        return Refused(NO_HITS_AVAILABLE, "This HIT has expired; please choose another one.")
    return Refused(NO_HITS_AVAILABLE, "All places of this HIT are taken; please choose another one.")


async def _why_not_submitted(conn: asyncpg.Connection, assignment_id: str) -> Refused:
    held = await find(conn, assignment_id)
    if held is None:
        return _unknown(assignment_id)
    if held.state in ("accepted", "abandoned"):
        return Refused(INVALID_ASSIGNMENT_STATE, "The time for this assignment is over; it can no longer be submitted.")
    if held.state == "returned":
        return Refused(INVALID_ASSIGNMENT_STATE, "This assignment was returned; accept the HIT again to work on it.")
    return Refused(INVALID_ASSIGNMENT_STATE, "This assignment was submitted before; an assignment is submitted once.")
