"""What a worker sees when looking for work and for earnings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

    from marketplace.store.assignments import State
    from marketplace.store.qualifications import Gate


@dataclass(frozen=True, slots=True)
class Group:
    """The HITs of one type; `available` counts those that this worker has not had.

    A worker who is not `qualified` may see them, and not accept them.
    """

    hit_type_id: str
    requester_name: str
    title: str
    description: str
    keywords: str
    reward_cents: int
    assignment_duration_seconds: int
    available: int
    qualified: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """One HIT of a group; `hit_no` is where the next page goes on."""

    hit_no: int
    hit_id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class HitPage:
    """What the page of one HIT needs; `question` is the XML as the requester gave it."""

    hit_id: str
    hit_type_id: str
    requester_name: str
    title: str
    description: str
    reward_cents: int
    assignment_duration_seconds: int
    question: str
    expires_at: datetime
    available: bool


@dataclass(frozen=True, slots=True)
class WorkPage:
    """What the page on which a worker works needs: the assignment, and its HIT's question."""

    assignment_id: str
    state: State
    deadline: datetime
    hit_id: str
    hit_type_id: str
    title: str
    reward_cents: int
    question: str


@dataclass(frozen=True, slots=True)
class InHand:
    """An accepted assignment that its worker can still submit."""

    assignment_id: str
    title: str
    reward_cents: int
    deadline: datetime


@dataclass(frozen=True, slots=True)
class Earned:
    """One assignment of a worker, with what it pays; `bonus_cents` is the sum of its bonuses."""

    assignment_id: str
    hit_id: str
    hit_type_id: str
    title: str
    state: State
    accepted_at: datetime
    deadline: datetime
    submitted_at: datetime | None
    reward_cents: int
    bonus_cents: int
    feedback: str | None


@dataclass(frozen=True, slots=True)
class Earnings:
    """A worker's sums, in cents; `pending_cents` is the reward of what is submitted and not yet reviewed."""

    submitted: int
    approved: int
    rejected: int
    reward_cents: int
    bonus_cents: int
    pending_cents: int


_NOT_MINE = """NOT EXISTS (SELECT FROM assignment mine WHERE mine.hit_id = hit.hit_id AND mine.worker_id = $1
                   AND mine.state NOT IN ('returned', 'abandoned'))"""

_GROUPS = f"""
WITH offered AS (
    SELECT hit_type_id, count(*) AS hits FROM hit
     WHERE open AND expires_at > $2 AND hit_type_id <> ALL($3::text[]) AND {_NOT_MINE} GROUP BY hit_type_id
)
SELECT hit_type_id, requester.name AS requester_name, title, description, keywords, reward_cents,
       assignment_duration_seconds, offered.hits::int AS available, hit_type_id <> ALL($4::text[]) AS qualified
  FROM offered JOIN hit_type USING (hit_type_id) JOIN requester USING (requester_id)
 ORDER BY hit_type.created_at DESC, hit_type_id
"""  # noqa: S608 - constants

_GROUP = """
SELECT hit_type_id, requester.name AS requester_name, title, description, keywords, reward_cents,
       assignment_duration_seconds, 0 AS available, true AS qualified
  FROM hit_type JOIN requester USING (requester_id) WHERE hit_type_id = $1
"""

_HITS = f"""
SELECT hit_no, hit_id, expires_at FROM hit
 WHERE hit_type_id = $2 AND open AND hit_no > $3 AND expires_at > $4 AND {_NOT_MINE}
 ORDER BY hit_no LIMIT $5
"""  # noqa: S608 - constants

_HIT_PAGE = """
SELECT hit_id, hit_type_id, requester.name AS requester_name, title, description, hit.reward_cents,
       assignment_duration_seconds, question, expires_at, open AND expires_at > $2 AS available
  FROM hit JOIN hit_type USING (hit_type_id) JOIN requester ON requester.requester_id = hit.requester_id
 WHERE hit_id = $1 AND disposed_at IS NULL
"""

_WORK_PAGE = """
SELECT assignment_id, state, deadline, hit_id, hit_type_id, title, hit.reward_cents, question
  FROM assignment JOIN hit USING (hit_id) JOIN hit_type USING (hit_type_id)
 WHERE assignment_id = $1 AND worker_id = $2
"""

_IN_HAND = """
SELECT assignment_id, title, hit.reward_cents, deadline
  FROM assignment JOIN hit USING (hit_id) JOIN hit_type USING (hit_type_id)
 WHERE worker_id = $1 AND state = 'accepted' AND deadline > $2 ORDER BY deadline LIMIT 50
"""

_EARNED = """
SELECT assignment_id, hit_id, hit_type_id, title, state, accepted_at, deadline, submitted_at,
       hit.reward_cents, feedback,
       (SELECT coalesce(sum(amount_cents), 0)::int FROM bonus
         WHERE bonus.assignment_id = assignment.assignment_id) AS bonus_cents
  FROM assignment JOIN hit USING (hit_id) JOIN hit_type USING (hit_type_id)
 WHERE worker_id = $1 AND ($2::timestamptz IS NULL OR (accepted_at, assignment_id) < ($2, $3))
 ORDER BY accepted_at DESC, assignment_id DESC LIMIT $4
"""

_EARNINGS = """
SELECT count(*) FILTER (WHERE state = 'submitted')::int AS submitted,
       count(*) FILTER (WHERE state = 'approved')::int AS approved,
       count(*) FILTER (WHERE state = 'rejected')::int AS rejected,
       coalesce(sum(reward_cents) FILTER (WHERE state = 'approved'), 0)::bigint AS reward_cents,
       (SELECT coalesce(sum(amount_cents), 0)::bigint FROM bonus WHERE worker_id = $1) AS bonus_cents,
       coalesce(sum(reward_cents) FILTER (WHERE state = 'submitted'), 0)::bigint AS pending_cents
  FROM assignment JOIN hit USING (hit_id) WHERE worker_id = $1
"""


async def groups(conn: asyncpg.Connection, *, worker_id: str, gate: Gate, now: datetime) -> list[Group]:
    """List the HIT types that have something this worker may see, newest first."""
    rows = await conn.fetch(_GROUPS, worker_id, now, list(gate.unseen), list(gate.barred))
    return [Group(**row) for row in rows]


async def group(conn: asyncpg.Connection, *, hit_type_id: str) -> Group | None:
    """Look one HIT type up; its `available` is not counted here."""
    row = await conn.fetchrow(_GROUP, hit_type_id)
    return None if row is None else Group(**row)


async def hits_of_group(
    conn: asyncpg.Connection, *, worker_id: str, hit_type_id: str, after: int, limit: int, now: datetime
) -> list[Offer]:
    """List the HITs of a type that this worker can accept, oldest first, after the `hit_no` given."""
    return [Offer(**row) for row in await conn.fetch(_HITS, worker_id, hit_type_id, after, now, limit)]


async def hit_page(conn: asyncpg.Connection, *, hit_id: str, now: datetime) -> HitPage | None:
    """Look up what the page of a HIT needs, whether or not it has a place left."""
    row = await conn.fetchrow(_HIT_PAGE, hit_id, now)
    return None if row is None else HitPage(**row)


async def work_page(conn: asyncpg.Connection, *, worker_id: str, assignment_id: str) -> WorkPage | None:
    """Look up what a worker's own assignment needs to be worked on, in whatever state it is."""
    row = await conn.fetchrow(_WORK_PAGE, assignment_id, worker_id)
    return None if row is None else WorkPage(**row)


async def in_hand(conn: asyncpg.Connection, *, worker_id: str, now: datetime) -> list[InHand]:
    """List what a worker has accepted and not submitted, the most urgent first."""
    return [InHand(**row) for row in await conn.fetch(_IN_HAND, worker_id, now)]


async def earned(
    conn: asyncpg.Connection, *, worker_id: str, before: tuple[datetime, str] | None = None, limit: int = 50
) -> list[Earned]:
    """List a worker's assignments, latest first; `before` is the last one's (accepted_at, assignment_id)."""
    accepted_at, assignment_id = before or (None, None)
    return [Earned(**row) for row in await conn.fetch(_EARNED, worker_id, accepted_at, assignment_id, limit)]


async def earnings(conn: asyncpg.Connection, *, worker_id: str) -> Earnings:
    """Add up what a worker has done and was paid."""
    return Earnings(**await conn.fetchrow(_EARNINGS, worker_id))
