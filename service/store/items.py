"""Items: uploaded in bulk, listed, withdrawn."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, BinaryIO

from msgspec import Struct

from service.store.dues import Connection

_STAGE = """
CREATE TEMP TABLE upload (
    line_no int4 NOT NULL, external_id text NOT NULL, payload jsonb NOT NULL, minimum int2 NOT NULL,
    maximum int2 NOT NULL, target float8 NOT NULL, priority int4 NOT NULL, batch text, accepted jsonb
) ON COMMIT DROP
"""
_REPEATED = """
SELECT line_no, first_line, count(*) OVER () AS total FROM (
    SELECT line_no, min(line_no) OVER (PARTITION BY external_id) AS first_line FROM upload
) lines WHERE line_no > first_line ORDER BY line_no LIMIT $1
"""
_DIFFERING = """
SELECT u.line_no, u.external_id, i.is_gold, count(*) OVER () AS total, array_remove(ARRAY[
    CASE WHEN i.payload <> u.payload THEN 'payload' END,
    CASE WHEN i.minimum <> u.minimum THEN 'minimum' END,
    CASE WHEN i.maximum <> u.maximum THEN 'maximum' END,
    CASE WHEN i.target <> u.target THEN 'target_confidence' END,
    CASE WHEN i.priority <> u.priority THEN 'priority' END,
    CASE WHEN i.batch IS DISTINCT FROM u.batch THEN 'batch' END,
    CASE WHEN i.is_gold AND $2 AND g.accepted <> u.accepted THEN 'accepted' END], NULL) AS fields
FROM upload u JOIN item i ON i.job_no = $1 AND i.external_id = u.external_id
LEFT JOIN gold g ON g.job_no = i.job_no AND g.item_no = i.item_no
WHERE i.is_gold <> $2 OR (i.payload, i.minimum, i.maximum, i.target, i.priority)
        <> (u.payload, u.minimum, u.maximum, u.target, u.priority)
    OR i.batch IS DISTINCT FROM u.batch OR g.accepted <> u.accepted
ORDER BY u.line_no LIMIT $3
"""
_ADD = """
WITH numbered AS (
    SELECT u.*, row_number() OVER (ORDER BY u.line_no) - 1 AS n FROM upload u
    WHERE NOT EXISTS (SELECT FROM item i WHERE i.job_no = $1 AND i.external_id = u.external_id)
), counted AS (SELECT count(*) AS n FROM numbered), taken AS (
    UPDATE job SET next_item_no = next_item_no + counted.n FROM counted WHERE job_no = $1 AND counted.n > 0
    RETURNING next_item_no - counted.n AS first
)
INSERT INTO item (job_no, item_no, external_id, payload, is_gold, minimum, maximum, target, priority, batch, created_at)
SELECT $1, t.first + u.n, u.external_id, u.payload, $2, u.minimum, u.maximum, u.target, u.priority, u.batch, $3
FROM numbered u CROSS JOIN taken t
"""
_PAGE = """
SELECT i.item_no, i.external_id, i.payload, i.is_gold, i.minimum, i.maximum, i.target, i.priority, i.batch, i.state,
    i.settled_by, i.settled_at, i.created_at, g.accepted
FROM (
    SELECT * FROM item WHERE job_no = $1 AND item_no > $2 AND ($3::boolean IS NULL OR is_gold = $3)
        AND ($4::text IS NULL OR state = $4)
    ORDER BY item_no LIMIT $5
) i LEFT JOIN gold g ON g.job_no = i.job_no AND g.item_no = i.item_no
ORDER BY i.item_no
"""
_UNKNOWN = """
SELECT w.external_id, count(*) OVER () AS total FROM unnest($2::text[]) AS w (external_id)
WHERE NOT EXISTS (SELECT FROM item i WHERE i.job_no = $1 AND i.external_id = w.external_id) LIMIT $3
"""
_WITHDRAW = """
WITH withdrawn AS (
    UPDATE item SET state = 'settled', settled_by = 'withdrawn', settled_at = $3
    WHERE job_no = $1 AND external_id = ANY($2::text[]) AND state = 'open'
    RETURNING is_gold
)
SELECT count(*), count(*) FILTER (WHERE is_gold) FROM withdrawn
"""
_IDS = "SELECT item_no, external_id FROM item WHERE job_no = $1 AND item_no = ANY($2::int4[])"
_COUNT = "SELECT count(*) FILTER (WHERE NOT is_gold), count(*) FILTER (WHERE is_gold) FROM item WHERE job_no = $1"
COLUMNS = ("line_no", "external_id", "payload", "minimum", "maximum", "target", "priority", "batch", "accepted")


class Item(Struct, frozen=True):
    """An item as it is stored; its redundancy is the one in effect. accepted: [{"label": index, "reason": …}]."""

    item_no: int
    external_id: str
    payload: dict[str, Any]
    is_gold: bool
    minimum: int
    maximum: int
    target: float
    priority: int
    batch: str | None
    state: str
    settled_by: str | None
    settled_at: datetime | None
    created_at: datetime
    accepted: list[dict[str, Any]] | None


class Repeated(Struct, frozen=True):
    """A line of an upload whose external_id an earlier line has; total: how many such lines there are."""

    line_no: int
    first_line: int
    total: int


class Differing(Struct, frozen=True):
    """A line of an upload that says otherwise than what is stored; total: how many such lines there are."""

    line_no: int
    external_id: str
    is_gold: bool
    total: int
    fields: list[str]


async def stage(conn: Connection, rows: BinaryIO) -> None:
    """Load an upload's rows (CSV of COLUMNS) into a table of the transaction's own."""
    await conn.execute(_STAGE)
    await conn.copy_to_table("upload", source=rows, columns=COLUMNS, format="csv")
    await conn.execute("ANALYZE upload")


async def repeated(conn: Connection, limit: int) -> list[Repeated]:
    """Return lines whose external_id stands on an earlier line of the same upload."""
    return [Repeated(*row) for row in await conn.fetch(_REPEATED, limit)]


async def differing(conn: Connection, job_no: int, *, gold: bool, limit: int) -> list[Differing]:
    """Return lines whose external_id the job has with other content, or as gold where this is not, or the reverse."""
    return [Differing(*row) for row in await conn.fetch(_DIFFERING, job_no, gold, limit)]


async def add_staged(conn: Connection, job_no: int, *, gold: bool, at: datetime) -> int:
    """Store the staged lines that the locked job does not have; returns how many."""
    status: str = await conn.execute(_ADD, job_no, gold, at)
    return int(status.rsplit(" ", 1)[1])


async def count(conn: Connection, job_no: int) -> tuple[int, int]:
    """Return how many items a job has, and how many gold items."""
    row = await conn.fetchrow(_COUNT, job_no)
    return row[0], row[1]


async def page(
    conn: Connection, job_no: int, *, after: int, gold: bool | None, state: str | None, limit: int
) -> list[Item]:
    """Return a job's items in the order in which they came."""
    return [Item(*row) for row in await conn.fetch(_PAGE, job_no, after, gold, state, limit)]


async def external_ids(conn: Connection, job_no: int, item_nos: Sequence[int]) -> dict[int, str]:
    """Return the external_ids of items by their numbers."""
    return {row["item_no"]: row["external_id"] for row in await conn.fetch(_IDS, job_no, list(item_nos))}


async def unknown(conn: Connection, job_no: int, external_ids: Sequence[str], limit: int) -> tuple[list[str], int]:
    """Return the first external_ids that the job does not have, and how many there are."""
    rows = await conn.fetch(_UNKNOWN, job_no, list(external_ids), limit)
    return [row["external_id"] for row in rows], rows[0]["total"] if rows else 0


async def withdraw(conn: Connection, job_no: int, external_ids: Sequence[str], at: datetime) -> tuple[int, int]:
    """Settle open items as withdrawn; returns how many, and how many of them were gold."""
    row = await conn.fetchrow(_WITHDRAW, job_no, list(external_ids), at)
    return row[0], row[1]
