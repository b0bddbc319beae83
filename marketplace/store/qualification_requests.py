"""Qualification requests: a worker asks, the requester decides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg

from marketplace.identifiers import new_id
from marketplace.refusal import INVALID_QUALIFICATION_STATE, QUALIFICATION_REQUEST_DOES_NOT_EXIST, Refused
from marketplace.store import qualification_types, qualifications

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class QualificationRequest:
    """A worker's request; `request_no` is where the next page goes on."""

    qualification_request_id: str
    request_no: int
    qualification_type_id: str
    worker_id: str
    state: str
    submitted_at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """How a worker stands with a type: what is held, what was asked, and whether asking is possible now."""

    qualification_type_id: str
    name: str
    description: str
    requester_name: str | None
    state: str | None
    value: int | None
    granted_at: datetime | None
    reason: str | None
    pending: bool
    requestable: bool


_COLUMNS = "qualification_request_id, request_no, qualification_type_id, worker_id, state, submitted_at"

_LIST = f"""
SELECT {", ".join("asked." + name for name in _COLUMNS.split(", "))}
  FROM qualification_request asked JOIN qualification_type USING (qualification_type_id)
 WHERE requester_id = $1 AND asked.state = 'pending' AND request_no > $3
   AND ($2::text IS NULL OR qualification_type_id = $2)
 ORDER BY request_no LIMIT $4
"""  # noqa: S608 - constants

_DECIDE = f"""
UPDATE qualification_request SET state = $3, decided_at = $4, reason = $5
  FROM qualification_type
 WHERE qualification_request_id = $1 AND state = 'pending' AND requester_id = $2
   AND qualification_type.qualification_type_id = qualification_request.qualification_type_id
RETURNING {", ".join("qualification_request." + name for name in _COLUMNS.split(", "))}
"""  # noqa: S608 - constants

_STANDINGS = """
SELECT qualification_type_id, qualification_type.name, description, requester.name AS requester_name, held.state,
       held.value, held.granted_at, held.reason,
       EXISTS (SELECT FROM qualification_request asked
                WHERE asked.worker_id = $1 AND asked.state = 'pending'
                  AND asked.qualification_type_id = qualification_type.qualification_type_id) AS pending,
       active AND qualification_type.requester_id IS NOT NULL AND held.state IS DISTINCT FROM 'granted' AS requestable
  FROM qualification_type
  LEFT JOIN requester USING (requester_id)
  LEFT JOIN (SELECT * FROM qualification WHERE worker_id = $1) held USING (qualification_type_id)
 WHERE deleted_at IS NULL AND (held.worker_id IS NOT NULL OR (active AND qualification_type.requester_id IS NOT NULL))
 ORDER BY held.granted_at DESC NULLS LAST, type_no DESC LIMIT 200
"""


async def ask(conn: asyncpg.Connection, *, qualification_type_id: str, worker_id: str, now: datetime) -> str:
    """Ask for a qualification; returns ``granted`` where that needs nobody's word, else ``pending``.

    Raises
    ------
    Refused
        Where the type cannot be asked for, or not by this worker, or not again so soon.
    """
    asked = await qualification_types.find(conn, qualification_type_id=qualification_type_id)
    if not asked.active or asked.requester_id is None:
        raise qualification_types.unknown(qualification_type_id)
    async with conn.transaction():
        last = await conn.fetchrow(
            """SELECT state, submitted_at FROM qualification_request
                WHERE worker_id = $1 AND qualification_type_id = $2 ORDER BY submitted_at DESC LIMIT 1""",
            worker_id,
            qualification_type_id,
        )
        if last is not None:
            _refuse_asking_again(last["state"], last["submitted_at"], asked.retry_delay_seconds, now)
        granted = asked.auto_granted
        try:
            await conn.execute(
                """INSERT INTO qualification_request
                       (qualification_request_id, qualification_type_id, worker_id, state, submitted_at, decided_at)
                   VALUES ($1, $2, $3, $4, $5, $6)""",
                new_id(),
                qualification_type_id,
                worker_id,
                "granted" if granted else "pending",
                now,
                now if granted else None,
            )
        except asyncpg.UniqueViolationError:
            raise _already_asked() from None
        if granted:
            await qualifications.grant(
                conn,
                qualification_type_id=qualification_type_id,
                worker_id=worker_id,
                value=asked.auto_granted_value,
                now=now,
            )
    return "granted" if granted else "pending"


async def list_pending(
    conn: asyncpg.Connection, *, requester_id: str, qualification_type_id: str | None, after: int, limit: int
) -> list[QualificationRequest]:
    """List what a requester has to decide on, the oldest first, after the `request_no` of the page before."""
    rows = await conn.fetch(_LIST, requester_id, qualification_type_id, after, limit)
    return [QualificationRequest(**row) for row in rows]


async def accept(
    conn: asyncpg.Connection, *, requester_id: str, request_id: str, value: int | None, now: datetime
) -> None:
    """Grant what was asked for.

    Raises
    ------
    Refused
        Where no such request waits for this requester.
    """
    async with conn.transaction():
        request = await _decide(conn, requester_id, request_id, "granted", None, now)
        await qualifications.grant(
            conn,
            qualification_type_id=request.qualification_type_id,
            worker_id=request.worker_id,
            value=value,
            now=now,
        )


async def reject(
    conn: asyncpg.Connection, *, requester_id: str, request_id: str, reason: str | None, now: datetime
) -> None:
    """Turn a request down; the worker can read the reason.

    Raises
    ------
    Refused
        Where no such request waits for this requester.
    """
    await _decide(conn, requester_id, request_id, "rejected", reason, now)


async def standings(conn: asyncpg.Connection, *, worker_id: str) -> list[Standing]:
    """List what a worker holds, held and could ask for, the latest granted first; at most 200."""
    return [Standing(**row) for row in await conn.fetch(_STANDINGS, worker_id)]


async def _decide(
    conn: asyncpg.Connection, requester_id: str, request_id: str, state: str, reason: str | None, now: datetime
) -> QualificationRequest:
    row = await conn.fetchrow(_DECIDE, request_id, requester_id, state, now, reason)
    if row is None:
        raise Refused(
            QUALIFICATION_REQUEST_DOES_NOT_EXIST, f"No QualificationRequest {request_id} waits for a decision."
        )
    return QualificationRequest(**row)


def _refuse_asking_again(state: str, asked_at: datetime, retry_delay: int | None, now: datetime) -> None:
    if state == "pending":
        raise _already_asked()
    if retry_delay is None:
        raise Refused(INVALID_QUALIFICATION_STATE, "This qualification can be asked for once, and you have.")
    again = asked_at + timedelta(seconds=retry_delay)
    if again > now:
        raise Refused(
            INVALID_QUALIFICATION_STATE, f"Ask for this qualification again from {again:%d %b %Y, %H:%M} UTC."
        )


def _already_asked() -> Refused:
    return Refused(INVALID_QUALIFICATION_STATE, "You have asked for this qualification; wait for the requester's word.")
