"""Assignments and their answers: raw first, append-only, each once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from service.store.dues import Connection

_LOCK_JOB = "SELECT next_worker_no FROM job WHERE job_no = $1 FOR NO KEY UPDATE"
_KNOW_WORKERS = """
INSERT INTO worker (worker_id, market_no, market_worker_id, first_seen_at)
SELECT w.worker_id, $1, w.market_worker_id, $2 FROM unnest($3::text[], $4::text[]) AS w (worker_id, market_worker_id)
ON CONFLICT (market_no, market_worker_id) DO NOTHING
"""
_IN_JOB = """
SELECT w.market_worker_id, w.worker_id, jw.worker_no
FROM worker w LEFT JOIN job_worker jw ON jw.job_no = $1 AND jw.worker_id = w.worker_id
WHERE w.market_no = $2 AND w.market_worker_id = ANY($3::text[])
ORDER BY w.market_worker_id
"""
_ENTER_JOB = """
INSERT INTO job_worker (job_no, worker_no, worker_id, first_seen_at)
SELECT $1, w.worker_no, w.worker_id, $2 FROM unnest($3::int4[], $4::text[]) AS w (worker_no, worker_id)
"""
_TAKE_NUMBERS = "UPDATE job SET next_worker_no = $2 WHERE job_no = $1"
_KEEP = """
INSERT INTO assignment (job_no, hit_no, worker_no, market_assignment_id, state, accepted_at, submitted_at, approve_by,
                        collected_at, decided_at, raw, problem)
SELECT $1, a.hit_no, a.worker_no, a.id, a.state, a.accepted_at, a.submitted_at, a.approve_by, $2::timestamptz,
       CASE WHEN a.state <> 'submitted' THEN $2::timestamptz END, a.raw, a.problem
FROM unnest($3::int4[], $4::int4[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[], $9::timestamptz[],
            $10::text[], $11::text[])
    AS a (hit_no, worker_no, id, state, accepted_at, submitted_at, approve_by, raw, problem)
ON CONFLICT (job_no, market_assignment_id, worker_no) DO NOTHING
RETURNING assignment_no, market_assignment_id, worker_no, hit_no, state
"""
_ANSWER = """
INSERT INTO answer (job_no, assignment_no, slot, item_no, worker_no, label, submitted_at)
SELECT $1, a.assignment_no, a.slot, a.item_no, a.worker_no, a.label, a.submitted_at
FROM unnest($2::bigint[], $3::int2[], $4::int4[], $5::int4[], $6::int2[], $7::timestamptz[])
    AS a (assignment_no, slot, item_no, worker_no, label, submitted_at)
"""
_COUNT = """
UPDATE hit SET collected = hit.collected + n.collected, reviewed = hit.reviewed + n.reviewed
FROM unnest($2::int4[], $3::int2[], $4::int2[]) AS n (hit_no, collected, reviewed)
WHERE hit.job_no = $1 AND hit.hit_no = n.hit_no
"""
_DOUBT = """
UPDATE assignment SET problem = concat_ws('; ', problem, $3::text)
WHERE job_no = $1 AND market_assignment_id = ANY($2::text[]) AND state <> 'stray'
  AND strpos(coalesce(problem, ''), $3) = 0
"""
_REVIEWED = """
UPDATE assignment SET state = $4, decided_at = $3
WHERE job_no = $1 AND assignment_no = ANY($2::bigint[]) AND state = 'submitted' RETURNING hit_no
"""
_SLOTS = """
SELECT hit_no, array_agg(item_no ORDER BY slot) AS item_nos FROM hit_slot
WHERE job_no = $1 AND hit_no = ANY($2::int4[]) GROUP BY hit_no
"""
_KNOWN = """
SELECT a.market_assignment_id, w.market_worker_id
FROM assignment a JOIN job_worker jw USING (job_no, worker_no) JOIN worker w USING (worker_id)
WHERE a.job_no = $1 AND a.hit_no = ANY($2::int4[])
"""


class Read(Struct, frozen=True):
    """An assignment as it was handed in, with what could be read of it: (slot, item_no, label)."""

    hit_no: int
    market_assignment_id: str
    market_worker_id: str
    state: str
    accepted_at: datetime | None
    submitted_at: datetime
    approve_by: datetime | None
    raw: str
    problem: str | None
    answers: tuple[tuple[int, int, int], ...]


class Kept(Struct, frozen=True):
    """An assignment that was new to us."""

    assignment_no: int
    market_assignment_id: str
    hit_no: int
    state: str


async def slots(conn: Connection, job_no: int, hit_nos: Sequence[int]) -> dict[int, list[int]]:
    """Return the item numbers of HITs in the order of their slots."""
    return {row["hit_no"]: row["item_nos"] for row in await conn.fetch(_SLOTS, job_no, list(hit_nos))}


async def known(conn: Connection, job_no: int, hit_nos: Sequence[int]) -> set[tuple[str, str]]:
    """Return which assignments of HITs we hold: (market_assignment_id, market_worker_id)."""
    return {tuple(row) for row in await conn.fetch(_KNOWN, job_no, list(hit_nos))}


async def keep(
    conn: Connection, job_no: int, market_no: int, reads: Sequence[Read], worker_ids: Mapping[str, str], now: datetime
) -> list[Kept]:
    """Keep assignments and their answers, and count them on their HITs; what we hold already is left as it is.

    `worker_ids` has a fresh Assay id for each market worker id, used for those never seen before. Locks the job row.
    """
    next_worker_no: int = await conn.fetchval(_LOCK_JOB, job_no)
    numbers = await _worker_numbers(conn, job_no, market_no, worker_ids, next_worker_no, now)
    rows = [
        (
            read.hit_no,
            numbers[read.market_worker_id],
            read.market_assignment_id,
            read.state,
            read.accepted_at,
            read.submitted_at,
            read.approve_by,
            _storable(read.raw),
            read.problem,
        )
        for read in reads
    ]
    fresh = await conn.fetch(_KEEP, job_no, now, *map(list, zip(*rows, strict=True)))
    by_key = {(row["market_assignment_id"], row["worker_no"]): row for row in fresh}
    answers = []
    for read in reads:
        row = by_key.get((read.market_assignment_id, numbers[read.market_worker_id]))
        if row is not None:
            number, worker_no = row["assignment_no"], row["worker_no"]
            answers += [(number, slot, item, worker_no, label, read.submitted_at) for slot, item, label in read.answers]
    if answers:
        await conn.execute(_ANSWER, job_no, *map(list, zip(*answers, strict=True)))
    counts: dict[int, list[int]] = {}
    for row in fresh:
        count = counts.setdefault(row["hit_no"], [0, 0])
        count[0] += row["state"] != "stray"  # the market counts one piece of work once, whoever it names
        count[1] += row["state"] == "rejected"
    if counts:
        hit_nos, pairs = list(counts), list(counts.values())
        await conn.execute(_COUNT, job_no, hit_nos, [pair[0] for pair in pairs], [pair[1] for pair in pairs])
    return [Kept(r["assignment_no"], r["market_assignment_id"], r["hit_no"], r["state"]) for r in fresh]


async def doubt(conn: Connection, job_no: int, market_assignment_ids: Sequence[str]) -> None:
    """Flag the assignments that strays are other entries of: the market may mean either worker."""
    if market_assignment_ids:
        message = "the market lists it under a second worker too"
        await conn.execute(_DOUBT, job_no, list(market_assignment_ids), message)


def _storable(raw: str) -> str:
    """Return text without the two things that Postgres takes in no text: NUL, and halves of surrogate pairs."""
    return raw.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


async def reviewed(conn: Connection, job_no: int, assignment_nos: Sequence[int], state: str, now: datetime) -> None:
    """Save that assignments are approved or rejected on the market, and count them on their HITs."""
    rows = await conn.fetch(_REVIEWED, job_no, list(assignment_nos), now, state)
    counts: dict[int, int] = {}
    for row in rows:
        counts[row["hit_no"]] = counts.get(row["hit_no"], 0) + 1
    if counts:
        await conn.execute(_COUNT, job_no, list(counts), [0] * len(counts), list(counts.values()))


async def _worker_numbers(
    conn: Connection, job_no: int, market_no: int, worker_ids: Mapping[str, str], next_no: int, now: datetime
) -> dict[str, int]:
    names = sorted(worker_ids)
    await conn.execute(_KNOW_WORKERS, market_no, now, [worker_ids[name] for name in names], names)
    rows = await conn.fetch(_IN_JOB, job_no, market_no, names)
    newcomers = [row for row in rows if row["worker_no"] is None]
    numbers = {row["market_worker_id"]: row["worker_no"] for row in rows if row["worker_no"] is not None}
    if newcomers:
        fresh = range(next_no, next_no + len(newcomers))
        await conn.execute(_ENTER_JOB, job_no, now, list(fresh), [row["worker_id"] for row in newcomers])
        await conn.execute(_TAKE_NUMBERS, job_no, next_no + len(newcomers))
        numbers |= {row["market_worker_id"]: no for row, no in zip(newcomers, fresh, strict=True)}
    return numbers
