"""Bonuses: paid to a worker for an assignment, beside its reward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from marketplace.identifiers import new_id
from marketplace.refusal import REQUEST_ALREADY_MADE, Refused
from marketplace.store import tokens
from marketplace.store.ledger import refuse_funds

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Bonus:
    """A bonus as it was paid; `bonus_no` is where the next page goes on."""

    bonus_no: int
    worker_id: str
    assignment_id: str
    amount_cents: int
    reason: str
    granted_at: datetime


_SEND = f"""
WITH {tokens.CLAIM.format(effect="bonus", requester="$2", value="$8", made="$9", now="$7")}, made AS (
    INSERT INTO bonus (bonus_id, requester_id, assignment_id, worker_id, amount_cents, reason, granted_at)
    SELECT $1, $2, $3, $4, $5, $6, $7 WHERE {tokens.GRANTED.format(value="$8")}
    RETURNING bonus_id, requester_id, assignment_id
), paid AS (
    INSERT INTO ledger (requester_id, entry, amount_cents, assignment_id, bonus_id, made_at)
    SELECT requester_id, part.entry, part.cents, assignment_id, bonus_id, $7
      FROM made CROSS JOIN (VALUES ('bonus', $5), ('bonus_fee', $10::int)) AS part (entry, cents)
     WHERE part.cents > 0
)
SELECT count(*) FROM made
"""  # noqa: S608 - constants

_LIST = """
SELECT bonus_no, bonus.worker_id, bonus.assignment_id, amount_cents, reason, granted_at
  FROM bonus JOIN assignment USING (assignment_id)
 WHERE bonus.requester_id = $1 AND ($2::text IS NULL OR assignment.hit_id = $2)
   AND ($3::text IS NULL OR bonus.assignment_id = $3) AND bonus_no > $4
 ORDER BY bonus_no LIMIT $5
"""


async def send(
    conn: asyncpg.Connection,
    *,
    requester_id: str,
    worker_id: str,
    assignment_id: str,
    amount_cents: int,
    fee_cents: int,
    reason: str,
    token: str | None,
    request_id: str,
    now: datetime,
) -> None:
    """Pay a bonus, once per token and 24 hours.

    Raises
    ------
    Refused
        Where the token was used, or the money does not reach.
    """
    try:
        done = await conn.fetchval(
            _SEND,
            new_id(),
            requester_id,
            assignment_id,
            worker_id,
            amount_cents,
            reason,
            now,
            token,
            request_id,
            fee_cents,
        )
    except asyncpg.CheckViolationError as error:
        raise refuse_funds(error) from None
    if not done:
        made = await tokens.made_by(conn, requester_id=requester_id, effect="bonus", token=token)
        raise Refused(REQUEST_ALREADY_MADE, f"The request with this UniqueRequestToken was already made: {made}")


async def list_paid(
    conn: asyncpg.Connection,
    *,
    requester_id: str,
    hit_id: str | None,
    assignment_id: str | None,
    after: int,
    limit: int,
) -> list[Bonus]:
    """List the bonuses of a HIT or of an assignment in the order in which they were paid."""
    return [Bonus(**row) for row in await conn.fetch(_LIST, requester_id, hit_id, assignment_id, after, limit)]
