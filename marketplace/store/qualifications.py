"""Qualifications as workers hold them, and the HITs that these keep them from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from marketplace.refusal import PERMISSION_DENIED, QUALIFICATION_DOES_NOT_EXIST, WORKER_DOES_NOT_EXIST, Refused
from marketplace.requirements import NUMBER_APPROVED, PERCENT_APPROVED, Held, may

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    import asyncpg

RATED_FROM = 100
"""Before so many submissions, one rejection would say too much: the approval rate is 100."""


@dataclass(frozen=True, slots=True)
class Qualification:
    """A worker's qualification of a type; `row_no` is where the next page goes on."""

    qualification_type_id: str
    worker_id: str
    state: str
    value: int | None
    country: str | None
    subdivision: str | None
    granted_at: datetime


@dataclass(frozen=True, slots=True)
class Gate:
    """The HIT types that a worker does not see, does not look into and does not accept: each holds the one before."""

    unseen: frozenset[str]
    closed: frozenset[str]
    barred: frozenset[str]


_COLUMNS = "qualification_type_id, worker_id, state, value, country, subdivision, granted_at"

_GRANT = f"""
INSERT INTO qualification (qualification_type_id, worker_id, state, value, country, subdivision, granted_at)
SELECT $1, worker_id, 'granted', $3, $4, $5, $6 FROM worker WHERE worker_id = $2
ON CONFLICT (qualification_type_id, worker_id) DO UPDATE
   SET state = 'granted', value = $3, country = $4, subdivision = $5, granted_at = $6,
       revoked_at = NULL, reason = NULL
RETURNING {_COLUMNS}
"""  # noqa: S608 - constants

_REVOKE = """
UPDATE qualification SET state = 'revoked', revoked_at = $3, reason = $4
 WHERE qualification_type_id = $1 AND worker_id = $2 AND state = 'granted'
"""

_APPROVALS = """
SELECT count(*) FILTER (WHERE state IN ('submitted', 'approved', 'rejected'))::int AS submitted,
       count(*) FILTER (WHERE state = 'approved')::int AS approved,
       count(*) FILTER (WHERE state = 'rejected')::int AS rejected
  FROM assignment WHERE worker_id = $1
"""

_GUARDED = """
SELECT hit_type_id, qualification_requirements FROM hit_type
 WHERE qualification_requirements <> '[]'
   AND EXISTS (SELECT FROM hit WHERE hit.hit_type_id = hit_type.hit_type_id AND open)
"""

_GUARDS = """
SELECT hit_type_id, qualification_requirements FROM hit JOIN hit_type USING (hit_type_id)
 WHERE hit_id = $1 AND qualification_requirements <> '[]'
"""


async def grant(
    conn: asyncpg.Connection,
    *,
    qualification_type_id: str,
    worker_id: str,
    value: int | None = None,
    country: str | None = None,
    subdivision: str | None = None,
    now: datetime,
) -> Qualification:
    """Qualify a worker, in place of whatever was before.

    Raises
    ------
    Refused
        Where there is no such worker.
    """
    row = await conn.fetchrow(_GRANT, qualification_type_id, worker_id, value, country, subdivision, now)
    if row is None:
        raise Refused(WORKER_DOES_NOT_EXIST, f"Worker {worker_id} does not exist.")
    return Qualification(**row)


async def revoke(
    conn: asyncpg.Connection, *, qualification_type_id: str, worker_id: str, reason: str | None, now: datetime
) -> None:
    """Take a qualification from a worker; the worker can read the reason.

    Raises
    ------
    Refused
        Where the worker does not hold it.
    """
    if await conn.execute(_REVOKE, qualification_type_id, worker_id, now, reason) != "UPDATE 1":
        raise _not_held(qualification_type_id, worker_id)


async def find(conn: asyncpg.Connection, *, qualification_type_id: str, worker_id: str) -> Qualification:
    """Look up what a worker holds, or held before it was revoked.

    Raises
    ------
    Refused
        Where the worker never did.
    """
    row = await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM qualification WHERE qualification_type_id = $1 AND worker_id = $2",  # noqa: S608
        qualification_type_id,
        worker_id,
    )
    if row is None:
        raise _not_held(qualification_type_id, worker_id)
    return Qualification(**row)


async def list_holders(
    conn: asyncpg.Connection, *, qualification_type_id: str, state: str | None, after: str, limit: int
) -> list[Qualification]:
    """List who holds or held a type, by worker id, after the one of the page before."""
    rows = await conn.fetch(
        f"""SELECT {_COLUMNS} FROM qualification
             WHERE qualification_type_id = $1 AND ($2::text IS NULL OR state = $2) AND worker_id > $3
             ORDER BY worker_id LIMIT $4""",  # noqa: S608
        qualification_type_id,
        state,
        after,
        limit,
    )
    return [Qualification(**row) for row in rows]


async def held_by(conn: asyncpg.Connection, *, worker_id: str, type_ids: Collection[str]) -> dict[str, Held]:
    """Return what a worker holds of these types, with the approvals counted where they are among them."""
    rows = await conn.fetch(
        """SELECT qualification_type_id, value, country, subdivision FROM qualification
            WHERE worker_id = $1 AND state = 'granted' AND qualification_type_id = ANY($2::text[])""",
        worker_id,
        list(type_ids),
    )
    held = {row["qualification_type_id"]: Held(row["value"], row["country"], row["subdivision"]) for row in rows}
    if not {PERCENT_APPROVED, NUMBER_APPROVED}.isdisjoint(type_ids):
        counted = await conn.fetchrow(_APPROVALS, worker_id)
        reviewed = counted["approved"] + counted["rejected"]
        rated = counted["submitted"] >= RATED_FROM and reviewed > 0
        held[NUMBER_APPROVED] = Held(counted["approved"])
        held[PERCENT_APPROVED] = Held(100 * counted["approved"] // reviewed if rated else 100)
    return held


async def gate_of(conn: asyncpg.Connection, *, worker_id: str) -> Gate:
    """Work out which HIT types with something open a worker is kept from."""
    return await _gate(conn, worker_id, await conn.fetch(_GUARDED))


async def gate_at(conn: asyncpg.Connection, *, worker_id: str, hit_id: str) -> Gate:
    """Work out whether a worker is kept from one HIT: the gate has its type, or nothing."""
    return await _gate(conn, worker_id, await conn.fetch(_GUARDS, hit_id))


async def refuse_unqualified(conn: asyncpg.Connection, *, worker_id: str, hit_id: str) -> None:
    """Refuse a worker who may not accept a HIT.

    Raises
    ------
    Refused
        Where a requirement is not met.
    """
    if (await gate_at(conn, worker_id=worker_id, hit_id=hit_id)).barred:
        raise Refused(PERMISSION_DENIED, "You do not have the qualifications that this HIT asks for.")


async def _gate(conn: asyncpg.Connection, worker_id: str, guarded: Sequence[Any]) -> Gate:
    if not guarded:
        return Gate(frozenset(), frozenset(), frozenset())
    types = {requirement["QualificationTypeId"] for row in guarded for requirement in row["qualification_requirements"]}
    held = await held_by(conn, worker_id=worker_id, type_ids=types)
    asked = {row["hit_type_id"]: row["qualification_requirements"] for row in guarded}
    return Gate(
        unseen=frozenset(name for name, requirements in asked.items() if not may(requirements, held, "discover")),
        closed=frozenset(name for name, requirements in asked.items() if not may(requirements, held, "preview")),
        barred=frozenset(name for name, requirements in asked.items() if not may(requirements, held, "accept")),
    )


def _not_held(qualification_type_id: str, worker_id: str) -> Refused:
    return Refused(
        QUALIFICATION_DOES_NOT_EXIST,
        f"Worker {worker_id} does not have a Qualification of type {qualification_type_id}.",
    )
