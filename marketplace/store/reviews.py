"""What becomes of submitted work: approved and paid, by the requester or by itself, or rejected."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg

from marketplace.refusal import (
    ASSIGNMENT_DOES_NOT_EXIST,
    INVALID_ASSIGNMENT_STATE,
    Refused,
)
from marketplace.store.assignments import COLUMNS, Assignment
from marketplace.store.ledger import refuse_funds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

OVERRIDE_LIFE = timedelta(days=30)
"""For so long a rejection may be turned into an approval."""

# Whatever is approved is counted in its HIT and paid in the books, in the statement that approves it. HITs are locked
# in the order of their ids, as in `assignments`.
_COUNT_AND_PAY = """
), moved AS (
    SELECT hit_id, count(*) FILTER (WHERE rejected_at IS NULL)::int AS submitted,
           count(*) FILTER (WHERE rejected_at IS NOT NULL)::int AS rejected
      FROM approved GROUP BY hit_id
), locked AS (
    SELECT hit_id FROM hit WHERE hit_id IN (SELECT hit_id FROM moved) ORDER BY hit_id FOR NO KEY UPDATE
), counted AS (
    UPDATE hit SET submitted = hit.submitted - moved.submitted, rejected = hit.rejected - moved.rejected,
                   approved = hit.approved + moved.submitted + moved.rejected
      FROM moved JOIN locked USING (hit_id) WHERE hit.hit_id = moved.hit_id
    RETURNING hit.hit_id, hit.requester_id, hit.reward_cents, hit.fee_cents
), paid AS (
    INSERT INTO ledger (requester_id, entry, amount_cents, hit_id, assignment_id, made_at)
    SELECT counted.requester_id, part.entry, part.cents, approved.hit_id, approved.assignment_id, $1
      FROM approved JOIN counted USING (hit_id)
           CROSS JOIN LATERAL (VALUES ('hold', counted.reward_cents + counted.fee_cents),
                                      ('reward', counted.reward_cents),
                                      ('fee', counted.fee_cents)) AS part (entry, cents)
     WHERE part.cents > 0 AND (part.entry <> 'hold' OR approved.rejected_at IS NOT NULL)
)
"""

_APPROVE = f"""
WITH approved AS (
    UPDATE assignment SET state = 'approved', approved_at = $1, feedback = coalesce($4, feedback)
     WHERE assignment_id = $2 AND (state = 'submitted' OR (state = 'rejected' AND $5))
       AND EXISTS (SELECT FROM hit WHERE hit.hit_id = assignment.hit_id AND requester_id = $3)
    RETURNING assignment_id, hit_id, rejected_at
{_COUNT_AND_PAY}
SELECT count(*) FROM approved
"""  # noqa: S608 - constants

_APPROVE_DUE = f"""
WITH due AS (
    SELECT assignment_id FROM assignment WHERE state = 'submitted' AND auto_approve_at <= $1
     ORDER BY auto_approve_at LIMIT $2 FOR UPDATE SKIP LOCKED
), approved AS (
    UPDATE assignment SET state = 'approved', approved_at = $1
      FROM due WHERE assignment.assignment_id = due.assignment_id
    RETURNING assignment.assignment_id, assignment.hit_id, assignment.rejected_at
{_COUNT_AND_PAY}
SELECT count(*) FROM approved
"""  # noqa: S608 - constants

_REJECT = """
WITH moved AS (
    UPDATE assignment SET state = 'rejected', rejected_at = $1, feedback = $4
     WHERE assignment_id = $2 AND state = 'submitted'
       AND EXISTS (SELECT FROM hit WHERE hit.hit_id = assignment.hit_id AND requester_id = $3)
    RETURNING assignment_id, hit_id
), counted AS (
    UPDATE hit SET submitted = submitted - 1, rejected = rejected + 1 FROM moved WHERE hit.hit_id = moved.hit_id
    RETURNING hit.hit_id, requester_id, reward_cents + fee_cents AS cents
), freed AS (
    INSERT INTO ledger (requester_id, entry, amount_cents, hit_id, assignment_id, made_at)
    SELECT requester_id, 'release', cents, hit_id, $2, $1 FROM counted WHERE cents > 0
)
SELECT count(*) FROM moved
"""

_FIND = f"""
SELECT {COLUMNS} FROM assignment
 WHERE assignment_id = $1 AND EXISTS (
       SELECT FROM hit WHERE hit.hit_id = assignment.hit_id AND requester_id = $2)
"""  # noqa: S608 - constants

_LIST = f"""
SELECT {COLUMNS} FROM assignment
 WHERE hit_id = $1 AND state = ANY($2) AND ($3::timestamptz IS NULL OR (submitted_at, assignment_id) > ($3, $4))
 ORDER BY submitted_at, assignment_id LIMIT $5
"""  # noqa: S608 - constants


async def approve(
    conn: asyncpg.Connection,
    *,
    requester_id: str,
    assignment_id: str,
    feedback: str | None,
    override: bool,
    now: datetime,
) -> None:
    """Approve submitted work and pay for it; with `override`, also what was rejected in the last 30 days.

    Raises
    ------
    Refused
        Where it is not in the state for that, or the money for an overridden rejection does not reach.
    """
    if override:
        await _refuse_late_override(conn, requester_id, assignment_id, now)
    try:
        done = await conn.fetchval(_APPROVE, now, assignment_id, requester_id, feedback, override)
    except asyncpg.CheckViolationError as error:
        raise refuse_funds(error) from None
    if not done:
        raise await _why_not(conn, requester_id, assignment_id, "Submitted, Rejected" if override else "Submitted")


async def reject(
    conn: asyncpg.Connection, *, requester_id: str, assignment_id: str, feedback: str, now: datetime
) -> None:
    """Reject submitted work; the money held for it goes back.

    Raises
    ------
    Refused
        Where it is not in the state for that.
    """
    if not await conn.fetchval(_REJECT, now, assignment_id, requester_id, feedback):
        raise await _why_not(conn, requester_id, assignment_id, "Submitted")


async def approve_due(conn: asyncpg.Connection, *, now: datetime, limit: int = 500) -> int:
    """Approve work whose auto-approval delay is over, at most `limit` of them; returns how many."""
    count: int = await conn.fetchval(_APPROVE_DUE, now, limit)
    return count


async def find(conn: asyncpg.Connection, *, requester_id: str, assignment_id: str) -> Assignment:
    """Look up an assignment of a HIT of this requester, in whatever state.

    Raises
    ------
    Refused
        Where there is none.
    """
    row = await conn.fetchrow(_FIND, assignment_id, requester_id)
    if row is None:
        raise Refused(ASSIGNMENT_DOES_NOT_EXIST, f"Assignment {assignment_id} does not exist.")
    return Assignment(**row)


async def list_of_hit(
    conn: asyncpg.Connection,
    *,
    hit_id: str,
    states: Sequence[str],
    after: tuple[datetime, str] | None,
    limit: int,
) -> list[Assignment]:
    """List a HIT's submitted, approved or rejected assignments in the order in which they were submitted."""
    submitted_at, assignment_id = after or (None, None)
    rows = await conn.fetch(_LIST, hit_id, list(states), submitted_at, assignment_id, limit)
    return [Assignment(**row) for row in rows]


async def _refuse_late_override(conn: asyncpg.Connection, requester_id: str, assignment_id: str, now: datetime) -> None:
    assignment = await find(conn, requester_id=requester_id, assignment_id=assignment_id)
    if assignment.state == "rejected" and assignment.rejected_at and assignment.rejected_at <= now - OVERRIDE_LIFE:
        raise Refused(INVALID_ASSIGNMENT_STATE, "A rejection can be overridden for 30 days; this one is older.")


async def _why_not(conn: asyncpg.Connection, requester_id: str, assignment_id: str, allowed: str) -> Refused:
    assignment = await find(conn, requester_id=requester_id, assignment_id=assignment_id)
    return Refused(
        INVALID_ASSIGNMENT_STATE,
        f"This Assignment is currently in the state '{assignment.state.capitalize()}'. "
        f"This operation can be called with a status of: {allowed}",
    )
