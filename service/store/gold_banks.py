"""Gold banks: a team's gold for jobs of one kind, every version of it, and what of it went into jobs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from service.store.dues import Connection
from service.store.gold import GoldRow, NewVersion, columns

_BANK = """
SELECT b.bank_no, b.name, b.task, b.version, b.created_at,
    (SELECT count(*) FROM gold_bank_item i WHERE i.bank_no = b.bank_no AND i.state = 'asked') AS asked,
    (SELECT count(*) FROM gold_bank_item i WHERE i.bank_no = b.bank_no AND i.state <> 'asked') AS others
FROM gold_bank b
"""
_PAGE = f"{_BANK} WHERE b.team_id = $1 AND b.name > $2 ORDER BY b.name LIMIT $3"
_FIND = f"{_BANK} WHERE b.team_id = $1 AND b.name = $2"
_GET = f"{_BANK} WHERE b.bank_no = $1"
_LOCK = "SELECT FROM gold_bank WHERE bank_no = $1 FOR UPDATE"
_INSERT = """
INSERT INTO gold_bank (team_id, name, task, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (team_id, name) DO NOTHING RETURNING bank_no
"""
_DIFFERING = """
SELECT u.line_no, u.external_id, count(*) OVER () AS total, array_remove(ARRAY[
    CASE WHEN i.payload <> u.payload THEN 'payload' END,
    CASE WHEN i.accepted <> u.accepted THEN 'accepted' END], NULL) AS fields
FROM upload u JOIN gold_bank_item i ON i.bank_no = $1 AND i.external_id = u.external_id
WHERE (i.payload, i.accepted) <> (u.payload, u.accepted) ORDER BY u.line_no LIMIT $2
"""
_ADD = """
WITH numbered AS (
    SELECT u.*, row_number() OVER (ORDER BY u.line_no) - 1 AS n FROM upload u
    WHERE NOT EXISTS (SELECT FROM gold_bank_item i WHERE i.bank_no = $1 AND i.external_id = u.external_id)
), counted AS (SELECT count(*) AS n FROM numbered), taken AS (
    UPDATE gold_bank SET next_no = next_no + counted.n, version = version + 1 FROM counted
    WHERE bank_no = $1 AND counted.n > 0 RETURNING next_no - counted.n AS first, version
), added AS (
    INSERT INTO gold_bank_item (bank_no, bank_item, external_id, payload, accepted)
    SELECT $1, t.first + u.n, u.external_id, u.payload, u.accepted FROM numbered u CROSS JOIN taken t
    RETURNING bank_item, accepted
)
INSERT INTO gold_bank_version (bank_no, bank_item, version, bank_version, at, kind, by, cause, state, accepted)
SELECT $1, a.bank_item, 1, t.version, $2, 'import', $3, $4, 'asked', a.accepted FROM added a CROSS JOIN taken t
"""
_ROW = """
SELECT i.bank_item, i.external_id, {of}.version, {of}.state, {of}.accepted, v.at, v.by, v.cause{more}
FROM gold_bank_item i JOIN gold_bank_version v USING (bank_no, bank_item) WHERE i.bank_no = $1
"""
_IN_FORCE = _ROW.format(of="i", more=", i.payload") + " AND v.version = i.version"
_ITEMS = f"{_IN_FORCE} AND i.bank_item > $2 AND ($3::text IS NULL OR i.state = $3) ORDER BY i.bank_item LIMIT $4"
_NAMED = f"{_IN_FORCE} AND i.external_id = ANY($2::text[]) ORDER BY i.bank_item"
_VERSIONS = (
    _ROW.format(of="v", more="")
    + """ AND (v.bank_item, v.version) > ($2, $3) AND ($4::text IS NULL OR i.external_id = $4)
ORDER BY v.bank_item, v.version LIMIT $5"""
)
_SAVE = """
WITH bank AS (
    UPDATE gold_bank SET version = version + 1 WHERE bank_no = $1 RETURNING version
), changed AS (
    SELECT c.bank_item, c.version, c.kind, c.state, c.cause, c.held -> 'accepted' AS accepted
    FROM unnest($4::int4[], $5::int4[], $6::text[], $7::text[], $8::jsonb[], $9::text[])
        AS c (bank_item, version, kind, state, held, cause)
), kept AS (
    INSERT INTO gold_bank_version (bank_no, bank_item, version, bank_version, at, kind, by, cause, state, accepted)
    SELECT $1, c.bank_item, c.version, bank.version, $2, c.kind, $3, c.cause, c.state, c.accepted
    FROM changed c CROSS JOIN bank
)
UPDATE gold_bank_item i SET version = c.version, state = c.state, accepted = c.accepted
FROM changed c WHERE i.bank_no = $1 AND i.bank_item = c.bank_item
"""
# What may go into a job: in force, not there yet, with how many workers have met it in any job.
_OFFERED = """
SELECT i.bank_item, i.external_id, i.payload, i.version, i.accepted,
    (SELECT count(DISTINCT w.worker_id) FROM gold g JOIN answer n USING (job_no, item_no)
     JOIN job_worker w USING (job_no, worker_no) WHERE g.bank_no = $1 AND g.bank_item = i.bank_item) AS exposures
FROM gold_bank_item i WHERE i.bank_no = $1 AND i.state = 'asked'
    AND NOT EXISTS (SELECT FROM item t WHERE t.job_no = $2 AND t.external_id = i.external_id)
ORDER BY i.bank_item
"""
_COPIES = """
SELECT g.bank_item, g.job_no, i.external_id, j.job_id, j.name, j.state, g.state, g.version, g.bank_version
FROM gold g JOIN gold_bank_item i USING (bank_no, bank_item) JOIN job j USING (job_no)
WHERE g.bank_no = $1 AND (g.bank_item, g.job_no) > ($2, $3) AND ($4::text IS NULL OR i.external_id = $4)
ORDER BY g.bank_item, g.job_no LIMIT $5
"""
_ORIGIN = """
UPDATE gold g SET bank_no = $2, bank_item = c.bank_item, bank_version = c.version
FROM unnest($3::text[], $4::int4[], $5::int4[]) AS c (external_id, bank_item, version)
JOIN item i ON i.job_no = $1 AND i.external_id = c.external_id
WHERE g.job_no = $1 AND g.item_no = i.item_no
"""


class Bank(Struct, frozen=True):
    """A bank. task: the task of the jobs that it is for; version: how often it was changed; asked, others: items."""

    bank_no: int
    name: str
    task: dict[str, Any]
    version: int
    created_at: datetime
    asked: int
    others: int


class BankItem(GoldRow, frozen=True):
    """A bank's item in the version in force; item_no is its number in the bank."""

    payload: dict[str, Any]


class Offered(Struct, frozen=True):
    """An item that a bank can give to a job; exposures: workers who have answered it, in all jobs."""

    bank_item: int
    external_id: str
    payload: dict[str, Any]
    version: int
    accepted: list[dict[str, Any]]
    exposures: int


class Copy(Struct, frozen=True):
    """A copy of a bank's item in a job. state, version: of the job's gold; bank_version: that it was copied from."""

    bank_item: int
    job_no: int
    external_id: str
    job_id: str
    name: str
    job_state: str
    state: str
    version: int
    bank_version: int


class DifferingLine(Struct, frozen=True):
    """A line of an import that says otherwise than what is stored; total: how many such lines there are."""

    line_no: int
    external_id: str
    total: int
    fields: list[str]


async def insert(conn: Connection, team_id: str, name: str, task: dict[str, Any], at: datetime) -> bool:
    """Make a bank; returns False where the team has one of that name."""
    return await conn.fetchval(_INSERT, team_id, name, task, at) is not None


async def page(conn: Connection, team_id: str, *, after: str, limit: int) -> list[Bank]:
    """Return a team's banks in the order of their names."""
    return [Bank(*row) for row in await conn.fetch(_PAGE, team_id, after, limit)]


async def find(conn: Connection, team_id: str, name: str, *, lock: bool = False) -> Bank | None:
    """Return a team's bank by its name, locked for the transaction where that is asked for."""
    row = await conn.fetchrow(_FIND, team_id, name)
    if row is not None and lock:
        await conn.execute(_LOCK, row["bank_no"])
        row = await conn.fetchrow(_FIND, team_id, name)
    return None if row is None else Bank(*row)


async def get(conn: Connection, bank_no: int) -> Bank:
    """Return a bank that there is."""
    return Bank(*await conn.fetchrow(_GET, bank_no))


async def differing(conn: Connection, bank_no: int, limit: int) -> list[DifferingLine]:
    """Return staged lines whose external_id the bank has with other content."""
    return [DifferingLine(*row) for row in await conn.fetch(_DIFFERING, bank_no, limit)]


async def add_staged(conn: Connection, bank_no: int, *, at: datetime, by: str, cause: str = "") -> int:
    """Store the staged lines that the locked bank does not have; returns how many."""
    status: str = await conn.execute(_ADD, bank_no, at, by, cause)
    return int(status.rsplit(" ", 1)[1])


async def items(conn: Connection, bank_no: int, *, after: int, state: str | None, limit: int) -> list[BankItem]:
    """Return a bank's items, each in the version in force, in the order in which they came."""
    return [BankItem(*row) for row in await conn.fetch(_ITEMS, bank_no, after, state, limit)]


async def named(conn: Connection, bank_no: int, external_ids: Sequence[str]) -> list[BankItem]:
    """Return those of a bank's items."""
    return [BankItem(*row) for row in await conn.fetch(_NAMED, bank_no, list(external_ids))]


async def versions(
    conn: Connection, bank_no: int, *, after: tuple[int, int], external_id: str | None, limit: int
) -> list[GoldRow]:
    """Return every version of a bank's items, or of one, after (item, version)."""
    return [GoldRow(*row) for row in await conn.fetch(_VERSIONS, bank_no, *after, external_id, limit)]


async def save(conn: Connection, bank_no: int, changed: Sequence[NewVersion], *, at: datetime, by: str) -> None:
    """Put new versions in force. The caller holds the bank's lock."""
    if changed:
        await conn.execute(_SAVE, bank_no, at, by, *columns(changed))


async def offered(conn: Connection, bank_no: int, job_no: int) -> list[Offered]:
    """Return what of a bank may go into a job."""
    return [Offered(*row) for row in await conn.fetch(_OFFERED, bank_no, job_no)]


async def copies(
    conn: Connection, bank_no: int, *, after: tuple[int, int], external_id: str | None, limit: int
) -> list[Copy]:
    """Return the copies of a bank's items, or of one, in jobs, after (item, job)."""
    return [Copy(*row) for row in await conn.fetch(_COPIES, bank_no, *after, external_id, limit)]


async def keep_origin(conn: Connection, job_no: int, bank_no: int, copied: Sequence[Offered]) -> None:
    """Store from which version of which item of a bank a job's gold was copied."""
    await conn.execute(
        _ORIGIN,
        job_no,
        bank_no,
        [one.external_id for one in copied],
        [one.bank_item for one in copied],
        [one.version for one in copied],
    )
