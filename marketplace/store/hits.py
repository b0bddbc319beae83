"""HITs as requesters create, find and list them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import asyncpg

from marketplace.identifiers import new_id
from marketplace.refusal import (
    HIT_ALREADY_EXISTS,
    HIT_DOES_NOT_EXIST,
    Refused,
)
from marketplace.store import tokens
from marketplace.store.ledger import refuse_funds

if TYPE_CHECKING:
    from datetime import datetime

    from marketplace.store.hit_types import HitType

TEN = 10
"""A HIT made with fewer assignments can never reach so many: its fee would change under it."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A HIT with the properties of its type."""

    hit_id: str
    hit_no: int
    hit_type_id: str
    requester_id: str
    title: str
    description: str
    keywords: str
    assignment_duration_seconds: int
    auto_approval_delay_seconds: int
    qualification_requirements: list[dict[str, Any]]
    question: str
    annotation: str | None
    reward_cents: int
    fee_cents: int
    max_assignments: int
    started_small: bool
    created_at: datetime
    expires_at: datetime
    pending: int
    submitted: int
    approved: int
    rejected: int
    unused: int
    lapsed: bool
    reviewing: bool
    disposed_at: datetime | None
    held_cents: int

    def status(self, now: datetime) -> str:
        """Return the HITStatus: see the tour in the first migration."""
        if self.disposed_at is not None:
            return "Disposed"
        if self.unused > 0 and not self.lapsed and self.expires_at > now:
            return "Assignable"
        if self.pending > 0:
            return "Unassignable"
        return "Reviewing" if self.reviewing else "Reviewable"


_OWN = """hit_id, hit_no, hit_type_id, requester_id, question, annotation, reward_cents, fee_cents, max_assignments,
    started_small, created_at, expires_at, pending, submitted, approved, rejected, unused, lapsed, reviewing,
    disposed_at, held_cents"""

_SELECT = f"""
SELECT {", ".join("hit." + name.strip() for name in _OWN.split(","))}, title, description, keywords,
       assignment_duration_seconds, auto_approval_delay_seconds, qualification_requirements
  FROM hit JOIN hit_type USING (hit_type_id)
"""  # noqa: S608 - constants

_CREATE = f"""
WITH {tokens.CLAIM.format(effect="hit", requester="$2", value="$12", made="$1", now="$10")}, made AS (
    INSERT INTO hit (hit_id, requester_id, hit_type_id, question, annotation, reward_cents, fee_cents,
                     max_assignments, started_small, created_at, expires_at)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 WHERE {tokens.GRANTED.format(value="$12")}
    RETURNING {_OWN}
), held AS (
    INSERT INTO ledger (requester_id, entry, amount_cents, hit_id, made_at)
    SELECT requester_id, 'hold', held_cents, hit_id, created_at FROM made WHERE held_cents > 0
)
SELECT * FROM made
"""  # noqa: S608 - constants


async def create(
    conn: asyncpg.Connection,
    *,
    requester_id: str,
    hit_type: HitType,
    question: str,
    annotation: str | None,
    fee_cents: int,
    max_assignments: int,
    lifetime_seconds: int,
    token: str | None,
    now: datetime,
) -> Hit:
    """Create a HIT and hold the money for all its assignments, in one statement.

    Raises
    ------
    Refused
        Where the token was used within 24 hours, or the money does not reach.
    """
    hit_id, properties = new_id(), hit_type.properties
    try:
        row = await conn.fetchrow(
            _CREATE,
            hit_id,
            requester_id,
            hit_type.hit_type_id,
            question,
            annotation,
            properties.reward_cents,
            fee_cents,
            max_assignments,
            max_assignments < TEN,
            now,
            now + timedelta(seconds=lifetime_seconds),
            token,
        )
    except asyncpg.CheckViolationError as error:
        raise refuse_funds(error) from None
    if row is None:
        made = await tokens.made_by(conn, requester_id=requester_id, effect="hit", token=token)
        raise Refused(HIT_ALREADY_EXISTS, f"The HIT with this UniqueRequestToken already exists: {made}")
    return Hit(
        **row,
        title=properties.title,
        description=properties.description,
        keywords=properties.keywords,
        assignment_duration_seconds=properties.assignment_duration_seconds,
        auto_approval_delay_seconds=properties.auto_approval_delay_seconds,
        qualification_requirements=list(properties.qualification_requirements),
    )


async def find(conn: asyncpg.Connection, *, requester_id: str, hit_id: str, lock: bool = False) -> Hit:
    """Look up a HIT of this requester, in whatever state, and lock it if asked.

    Raises
    ------
    Refused
        Where there is none.
    """
    suffix = " FOR UPDATE OF hit" if lock else ""
    row = await conn.fetchrow(f"{_SELECT} WHERE hit_id = $1 AND hit.requester_id = $2{suffix}", hit_id, requester_id)
    if row is None:
        raise Refused(HIT_DOES_NOT_EXIST, f"Hit {hit_id} does not exist.")
    return Hit(**row)


async def list_newest_first(
    conn: asyncpg.Connection,
    *,
    requester_id: str,
    below: int | None,
    limit: int,
    qualification_type_id: str | None = None,
) -> list[Hit]:
    """List a requester's HITs but for those disposed of, after the `hit_no` of the page before.

    With a qualification type, only those that ask for it.
    """
    asks = "AND hit_type.qualification_requirements @> $4" if qualification_type_id else ""
    asked = [[{"QualificationTypeId": qualification_type_id}]] if qualification_type_id else []
    rows = await conn.fetch(
        f"""{_SELECT} WHERE hit.requester_id = $1 AND disposed_at IS NULL AND ($2::bigint IS NULL OR hit_no < $2) {asks}
             ORDER BY hit_no DESC LIMIT $3""",
        requester_id,
        below,
        limit,
        *asked,
    )
    return [Hit(**row) for row in rows]


async def list_reviewable(
    conn: asyncpg.Connection,
    *,
    requester_id: str,
    hit_type_id: str | None,
    reviewing: bool,
    below: int | None,
    limit: int,
    now: datetime,
) -> list[Hit]:
    """List a requester's HITs that are over, newest first, after the `hit_no` of the page before."""
    rows = await conn.fetch(
        f"""{_SELECT} WHERE hit.requester_id = $1 AND disposed_at IS NULL AND pending = 0
               AND (unused = 0 OR lapsed OR expires_at <= $2) AND reviewing = $3
               AND ($4::text IS NULL OR hit_type_id = $4) AND ($5::bigint IS NULL OR hit_no < $5)
             ORDER BY hit_no DESC LIMIT $6""",
        requester_id,
        now,
        reviewing,
        hit_type_id,
        below,
        limit,
    )
    return [Hit(**row) for row in rows]
