"""HIT types: a set of properties, the same for all who ask with the same."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from marketplace.identifiers import new_id

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg


@dataclass(frozen=True, slots=True)
class Properties:
    """What makes a HIT type; workers see the HITs of one type as one group."""

    title: str
    description: str
    keywords: str
    reward_cents: int
    assignment_duration_seconds: int
    auto_approval_delay_seconds: int
    qualification_requirements: tuple[dict[str, Any], ...]

    def digest(self) -> bytes:
        """Hash all of them: 32 bytes, the same for the same properties."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).digest()


@dataclass(frozen=True, slots=True)
class HitType:
    """Properties under an id."""

    hit_type_id: str
    properties: Properties


_FIND_BY_DIGEST = "SELECT hit_type_id FROM hit_type WHERE requester_id = $1 AND digest = $2"

_INSERT = """
INSERT INTO hit_type (hit_type_id, requester_id, digest, title, description, keywords, reward_cents,
                      assignment_duration_seconds, auto_approval_delay_seconds, qualification_requirements,
                      created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (requester_id, digest) DO NOTHING
"""

_FIND = """
SELECT title, description, keywords, reward_cents, assignment_duration_seconds, auto_approval_delay_seconds,
       qualification_requirements
  FROM hit_type WHERE hit_type_id = $1 AND requester_id = $2
"""


async def register(conn: asyncpg.Connection, *, requester_id: str, properties: Properties, now: datetime) -> HitType:
    """Return the type with these properties, made if there is none."""
    digest = properties.digest()
    hit_type_id = await conn.fetchval(_FIND_BY_DIGEST, requester_id, digest)
    if hit_type_id is None:
        await conn.execute(
            _INSERT,
            new_id(),
            requester_id,
            digest,
            properties.title,
            properties.description,
            properties.keywords,
            properties.reward_cents,
            properties.assignment_duration_seconds,
            properties.auto_approval_delay_seconds,
            list(properties.qualification_requirements),
            now,
        )
        # Another request may have made it meanwhile: the row that is there now is the one, whoever made it.
        hit_type_id = await conn.fetchval(_FIND_BY_DIGEST, requester_id, digest)
    return HitType(hit_type_id, properties)


async def find(conn: asyncpg.Connection, *, requester_id: str, hit_type_id: str) -> HitType | None:
    """Look up a type of this requester."""
    row = await conn.fetchrow(_FIND, hit_type_id, requester_id)
    if row is None:
        return None
    values = dict(row)
    values["qualification_requirements"] = tuple(values["qualification_requirements"])
    return HitType(hit_type_id, Properties(**values))
