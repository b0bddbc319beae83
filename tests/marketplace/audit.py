"""An audit of the books and the counts: what has to be true of a marketplace's database at any moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncpg

_BALANCES = """
SELECT requester_id, available_cents, coalesce(sum(available_delta), 0) AS booked
  FROM requester LEFT JOIN ledger USING (requester_id) GROUP BY requester_id
HAVING available_cents <> coalesce(sum(available_delta), 0)
"""

_HELD = """
SELECT hit.hit_id, held_cents, coalesce(sum(held_delta), 0) AS booked
  FROM hit LEFT JOIN ledger USING (hit_id) GROUP BY hit.hit_id
HAVING held_cents <> coalesce(sum(held_delta), 0)
"""

_COUNTS = """
SELECT hit.hit_id, pending, submitted, approved, rejected, counted.*
  FROM hit LEFT JOIN LATERAL (
       SELECT count(*) FILTER (WHERE state = 'accepted') AS is_pending,
              count(*) FILTER (WHERE state = 'submitted') AS is_submitted,
              count(*) FILTER (WHERE state = 'approved') AS is_approved,
              count(*) FILTER (WHERE state = 'rejected') AS is_rejected
         FROM assignment WHERE assignment.hit_id = hit.hit_id) AS counted ON true
 WHERE (pending, submitted, approved, rejected) <> (is_pending, is_submitted, is_approved, is_rejected)
"""

_PAYMENTS = """
SELECT assignment_id, state, paid.* FROM assignment JOIN hit USING (hit_id) LEFT JOIN LATERAL (
       SELECT coalesce(sum(amount_cents) FILTER (WHERE entry = 'reward'), 0)::bigint AS reward,
              coalesce(sum(amount_cents) FILTER (WHERE entry = 'fee'), 0)::bigint AS fee
         FROM ledger WHERE ledger.assignment_id = assignment.assignment_id) AS paid ON true
 WHERE (reward, fee) <> CASE WHEN state = 'approved' THEN (reward_cents::bigint, fee_cents::bigint)
                             ELSE (0::bigint, 0::bigint) END
"""

_WHOLE = """
SELECT * FROM (
    SELECT coalesce(sum(CASE entry WHEN 'deposit' THEN amount_cents WHEN 'withdrawal' THEN -amount_cents END), 0)
               AS put_in,
           coalesce(sum(amount_cents) FILTER (WHERE entry IN ('reward', 'fee', 'bonus', 'bonus_fee')), 0) AS paid,
           (SELECT coalesce(sum(available_cents), 0) FROM requester) AS available,
           (SELECT coalesce(sum(held_cents), 0) FROM hit) AS held
      FROM ledger) AS books
 WHERE put_in <> paid + available + held
"""


async def audit(conn: asyncpg.Connection) -> dict[str, list[dict[str, object]]]:
    """Return what is wrong, by kind; nothing where all is well."""
    checks = {"balances": _BALANCES, "held": _HELD, "counts": _COUNTS, "payments": _PAYMENTS, "whole": _WHOLE}
    found = {name: [dict(row) for row in await conn.fetch(sql)] for name, sql in checks.items()}
    return {name: rows for name, rows in found.items() if rows}
