"""Qualification types: what a worker can be qualified in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from marketplace.identifiers import new_id
from marketplace.refusal import (
    INVALID_PARAMETER,
    QUALIFICATION_TYPE_ALREADY_EXISTS,
    QUALIFICATION_TYPE_DOES_NOT_EXIST,
    Refused,
)

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class QualificationType:
    """A type; one without a requester is the marketplace's own. One with `auto_granted` needs nobody's word."""

    qualification_type_id: str
    type_no: int
    requester_id: str | None
    name: str
    keywords: str
    description: str
    active: bool
    retry_delay_seconds: int | None
    auto_granted: bool
    auto_granted_value: int | None
    created_at: datetime


COLUMNS = """qualification_type_id, type_no, requester_id, name, keywords, description, active, retry_delay_seconds,
    auto_granted, auto_granted_value, created_at"""

_CREATE = f"""
INSERT INTO qualification_type (qualification_type_id, requester_id, name, keywords, description, active,
                                retry_delay_seconds, auto_granted, auto_granted_value, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING {COLUMNS}
"""  # noqa: S608 - constants

_UPDATE = f"""
UPDATE qualification_type
   SET description = coalesce($3, description), active = coalesce($4, active),
       retry_delay_seconds = coalesce($5, retry_delay_seconds),
       auto_granted = coalesce($6, auto_granted),
       auto_granted_value = CASE WHEN coalesce($6, auto_granted) THEN coalesce($7, auto_granted_value, 1) END
 WHERE qualification_type_id = $1 AND requester_id = $2 AND deleted_at IS NULL RETURNING {COLUMNS}
"""  # noqa: S608 - constants

_DELETE = """
WITH gone AS (
    UPDATE qualification_type SET deleted_at = $3
     WHERE qualification_type_id = $1 AND requester_id = $2 AND deleted_at IS NULL RETURNING qualification_type_id
), refused AS (
    UPDATE qualification_request SET state = 'rejected', decided_at = $3,
           reason = 'The qualification is no longer given.'
      FROM gone WHERE qualification_request.qualification_type_id = gone.qualification_type_id AND state = 'pending'
)
SELECT count(*) FROM gone
"""

_LIST = f"""
SELECT {COLUMNS} FROM qualification_type
 WHERE deleted_at IS NULL AND type_no > $1 AND ($2::text IS NULL OR requester_id = $2)
   AND (NOT $3 OR (active AND requester_id IS NOT NULL))
   AND strpos(lower(concat_ws(' ', name, keywords, description)), lower($4)) > 0
 ORDER BY type_no LIMIT $5
"""  # noqa: S608 - constants


async def create(
    conn: asyncpg.Connection,
    *,
    requester_id: str,
    name: str,
    keywords: str,
    description: str,
    active: bool,
    retry_delay_seconds: int | None,
    auto_granted_value: int | None,
    now: datetime,
) -> QualificationType:
    """Make a type; with a value it is granted automatically.

    Raises
    ------
    Refused
        Where the requester has a type of this name.
    """
    try:
        row = await conn.fetchrow(
            _CREATE,
            new_id(),
            requester_id,
            name,
            keywords,
            description,
            active,
            retry_delay_seconds,
            auto_granted_value is not None,
            auto_granted_value,
            now,
        )
    except asyncpg.UniqueViolationError:
        raise Refused(
            QUALIFICATION_TYPE_ALREADY_EXISTS, f"You have already created a QualificationType named {name!r}."
        ) from None
    return QualificationType(**row)


async def update(
    conn: asyncpg.Connection,
    *,
    requester_id: str,
    qualification_type_id: str,
    description: str | None,
    active: bool | None,
    retry_delay_seconds: int | None,
    auto_granted: bool | None,
    auto_granted_value: int | None,
) -> QualificationType:
    """Change what is given of a type; None leaves it.

    Raises
    ------
    Refused
        Where this requester has no such type.
    """
    row = await conn.fetchrow(
        _UPDATE,
        qualification_type_id,
        requester_id,
        description,
        active,
        retry_delay_seconds,
        auto_granted,
        auto_granted_value,
    )
    if row is None:
        raise unknown(qualification_type_id)
    return QualificationType(**row)


async def delete(conn: asyncpg.Connection, *, requester_id: str, qualification_type_id: str, now: datetime) -> None:
    """Take a type out of use and reject its pending requests; what was granted stays, for HITs that ask for it.

    Raises
    ------
    Refused
        Where this requester has no such type.
    """
    if not await conn.fetchval(_DELETE, qualification_type_id, requester_id, now):
        raise unknown(qualification_type_id)


async def find(conn: asyncpg.Connection, *, qualification_type_id: str, owner: str | None = None) -> QualificationType:
    """Look a type up; with an owner, only one that is theirs.

    Raises
    ------
    Refused
        Where there is none.
    """
    row = await conn.fetchrow(
        f"""SELECT {COLUMNS} FROM qualification_type
             WHERE qualification_type_id = $1 AND deleted_at IS NULL AND ($2::text IS NULL OR requester_id = $2)""",  # noqa: S608
        qualification_type_id,
        owner,
    )
    if row is None:
        raise unknown(qualification_type_id)
    return QualificationType(**row)


async def list_found(
    conn: asyncpg.Connection, *, query: str, requestable: bool, requester_id: str | None, after: int, limit: int
) -> list[QualificationType]:
    """List types in the order in which they were made, after the `type_no` of the page before."""
    rows = await conn.fetch(_LIST, after, requester_id, requestable, query, limit)
    return [QualificationType(**row) for row in rows]


async def refuse_unusable(conn: asyncpg.Connection, type_ids: Collection[str]) -> None:
    """Refuse types that no HIT can ask for: unknown, deleted or inactive.

    Raises
    ------
    Refused
        Names the first of them.
    """
    rows = await conn.fetch(
        """SELECT qualification_type_id, active FROM qualification_type
            WHERE qualification_type_id = ANY($1::text[]) AND deleted_at IS NULL""",
        list(type_ids),
    )
    active = {row["qualification_type_id"]: row["active"] for row in rows}
    for type_id in type_ids:
        if type_id not in active:
            raise unknown(type_id)
        if not active[type_id]:
            raise Refused(INVALID_PARAMETER, f"QualificationType {type_id} is inactive; activate it first.")


def unknown(qualification_type_id: str) -> Refused:
    """Say that there is no such type."""
    return Refused(QUALIFICATION_TYPE_DOES_NOT_EXIST, f"QualificationType {qualification_type_id} does not exist.")
