"""Gold: which label values of which items are known to be right, and every version of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from service.store.dues import Connection

_ADD = """
WITH added AS (
    INSERT INTO gold (job_no, item_no, accepted, accepted_labels)
    SELECT i.job_no, i.item_no, u.accepted,
        ARRAY(SELECT (a ->> 'label')::int2 FROM jsonb_array_elements(u.accepted) AS a ORDER BY 1)
    FROM upload u JOIN item i ON i.job_no = $1 AND i.external_id = u.external_id
    WHERE NOT EXISTS (SELECT FROM gold g WHERE g.job_no = i.job_no AND g.item_no = i.item_no)
    RETURNING job_no, item_no, accepted
)
INSERT INTO gold_version (job_no, item_no, version, at, kind, by, state, accepted)
SELECT job_no, item_no, 1, $2, 'import', $3, 'asked', accepted FROM added
"""
_UNUSED = """
SELECT count(*) FROM item i WHERE i.job_no = $1 AND i.is_gold AND i.state = 'open'
    AND EXISTS (SELECT FROM gold g WHERE g.job_no = i.job_no AND g.item_no = i.item_no AND g.state = 'asked')
    AND NOT EXISTS (SELECT FROM hit_slot s WHERE s.job_no = i.job_no AND s.item_no = i.item_no AND NOT s.gone)
"""
_IN_FORCE = """
SELECT g.item_no, i.external_id, g.version, g.state, g.accepted, v.at, v.by, v.cause, b.name, g.bank_version
FROM gold g JOIN item i USING (job_no, item_no) JOIN gold_version v USING (job_no, item_no, version)
LEFT JOIN gold_bank b USING (bank_no)
WHERE g.job_no = $1
"""
_PAGE = f"{_IN_FORCE} AND g.item_no > $2 AND ($3::text IS NULL OR g.state = $3) ORDER BY g.item_no LIMIT $4"
_NAMED = f"{_IN_FORCE} AND i.external_id = ANY($2::text[]) ORDER BY g.item_no"
_VERSIONS = """
SELECT v.item_no, i.external_id, v.version, v.state, v.accepted, v.at, v.by, v.cause
FROM gold_version v JOIN item i USING (job_no, item_no)
WHERE v.job_no = $1 AND (v.item_no, v.version) > ($2, $3) AND ($4::text IS NULL OR i.external_id = $4)
ORDER BY v.item_no, v.version LIMIT $5
"""
# What is excluded is withdrawn, and comes back when it is gold again.
_SAVE = """
WITH changed AS (
    SELECT c.item_no, c.version, c.kind, c.state, c.cause, c.held -> 'accepted' AS accepted
    FROM unnest($4::int4[], $5::int4[], $6::text[], $7::text[], $8::jsonb[], $9::text[])
        AS c (item_no, version, kind, state, held, cause)
), kept AS (
    INSERT INTO gold_version (job_no, item_no, version, at, kind, by, cause, state, accepted)
    SELECT $1, item_no, version, $2, kind, $3, cause, state, accepted FROM changed
), items AS (
    UPDATE item i SET state = CASE WHEN c.state = 'excluded' THEN 'settled' ELSE 'open' END,
        settled_by = CASE WHEN c.state = 'excluded' THEN 'withdrawn' END,
        settled_at = CASE WHEN c.state = 'excluded' THEN $2 END
    FROM changed c WHERE i.job_no = $1 AND i.item_no = c.item_no AND (i.state = 'settled') <> (c.state = 'excluded')
)
UPDATE gold g SET version = c.version, state = c.state, accepted = c.accepted,
    accepted_labels = ARRAY(SELECT (a ->> 'label')::int2 FROM jsonb_array_elements(c.accepted) AS a ORDER BY 1)
FROM changed c WHERE g.job_no = $1 AND g.item_no = c.item_no
"""
_WITHDRAWN = """
WITH gone AS (
    UPDATE gold g SET version = g.version + 1, state = 'excluded' FROM item i
    WHERE g.job_no = $1 AND i.job_no = $1 AND i.item_no = g.item_no AND i.external_id = ANY($2::text[])
        AND i.state = 'settled' AND g.state <> 'excluded'
    RETURNING g.item_no, g.version, g.accepted
)
INSERT INTO gold_version (job_no, item_no, version, at, kind, by, cause, state, accepted)
SELECT $1, item_no, version, $3, 'exclude', $4, 'its item was withdrawn', 'excluded', accepted FROM gone
"""


class GoldRow(Struct, frozen=True):
    """A version of a gold item. accepted: [{"label": index, "reason": …}]; at, by, cause: of this version."""

    item_no: int
    external_id: str
    version: int
    state: str
    accepted: list[dict[str, Any]]
    at: datetime
    by: str
    cause: str


class JobGold(GoldRow, frozen=True):
    """A job's gold item in the version in force; bank, bank_version: what it was copied from, or None."""

    bank: str | None
    bank_version: int | None


class NewVersion(Struct, frozen=True):
    """A version that follows the one in force; kind: edit, retire or exclude."""

    item_no: int
    version: int
    kind: str
    state: str
    accepted: list[dict[str, Any]]
    cause: str


async def add_staged(conn: Connection, job_no: int, *, at: datetime, by: str) -> None:
    """Store the accepted labels of the staged lines, once their items are stored."""
    await conn.execute(_ADD, job_no, at, by)


async def unused(conn: Connection, job_no: int) -> int:
    """Count the gold items that may still be asked and stand in no HIT yet."""
    return int(await conn.fetchval(_UNUSED, job_no))


async def page(conn: Connection, job_no: int, *, after: int, state: str | None, limit: int) -> list[JobGold]:
    """Return a job's gold, each in the version in force, in the order of its items."""
    return [JobGold(*row) for row in await conn.fetch(_PAGE, job_no, after, state, limit)]


async def named(conn: Connection, job_no: int, external_ids: Sequence[str]) -> list[JobGold]:
    """Return the versions in force of the gold items among these items."""
    return [JobGold(*row) for row in await conn.fetch(_NAMED, job_no, list(external_ids))]


async def versions(
    conn: Connection, job_no: int, *, after: tuple[int, int], external_id: str | None, limit: int
) -> list[GoldRow]:
    """Return every version of a job's gold, or of one gold item, after (item_no, version)."""
    return [GoldRow(*row) for row in await conn.fetch(_VERSIONS, job_no, *after, external_id, limit)]


async def save(conn: Connection, job_no: int, changed: Sequence[NewVersion], *, at: datetime, by: str) -> None:
    """Put new versions in force. The caller holds the job's lock."""
    await conn.execute(_SAVE, job_no, at, by, *columns(changed))


def columns(changed: Sequence[NewVersion]) -> tuple[list[Any], ...]:
    """Return new versions as the arrays that a statement unnests: item, version, kind, state, accepted, cause."""
    return (
        [one.item_no for one in changed],
        [one.version for one in changed],
        [one.kind for one in changed],
        [one.state for one in changed],
        [{"accepted": one.accepted} for one in changed],  # an array of lists would be one of two dimensions
        [one.cause for one in changed],
    )


async def exclude_withdrawn(
    conn: Connection, job_no: int, external_ids: Sequence[str], *, at: datetime, by: str
) -> None:
    """Keep a version of the gold among items that were just withdrawn: it counts for nobody any more."""
    await conn.execute(_WITHDRAWN, job_no, list(external_ids), at, by)
