"""What a job believes of each worker: the present state, and every change of it with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from service.store.dues import Connection

_STANDINGS = """
SELECT worker_no, worker_id, trust_state, trust_by, trust_reason FROM job_worker WHERE job_no = $1 ORDER BY worker_no
"""
_REST = """
WITH turned AS (
    UPDATE job_worker w SET resting = NOT w.resting
    WHERE w.job_no = $1 AND w.resting <> (w.worker_no = ANY($2::int4[]))
      AND (w.resting OR (w.trust_by = 'policy' AND w.trust_state <> 'suspended'))
    RETURNING w.resting
)
SELECT count(*) FILTER (WHERE resting), count(*) FILTER (WHERE NOT resting) FROM turned
"""
_BELIEVED = """
SELECT worker_no, worker_id, trust_state, trust_by, trust_reason, trust, barred, resting FROM job_worker
WHERE job_no = $1 ORDER BY worker_no
"""
_FIND = """
SELECT worker_no, worker_id, trust_state, trust_by, trust_reason, trust, barred, resting FROM job_worker
WHERE job_no = $1 AND worker_id = $2
"""
_SIGNS = """
SELECT w.worker_id, w.trust_state, w.trust_by, w.trust -> 'automation', count(*) OVER ()
FROM job_worker w CROSS JOIN LATERAL (
    SELECT max((one ->> 'likelihood_ratio')::float8) AS strongest, count(*) AS many
    FROM jsonb_array_elements(w.trust -> 'automation') AS one
) AS s
WHERE w.job_no = $1 AND s.many > 0
ORDER BY s.strongest DESC, s.many DESC, w.worker_no LIMIT $2
"""
_VOID = """
WITH moved AS (
    UPDATE job_worker w SET void_from = a.submitted_at, void_assignment = a.market_assignment_id, void_slot = v.slot
    FROM unnest($2::int4[], $3::int8[], $4::int2[]) AS v (worker_no, assignment_no, slot)
    JOIN assignment a ON a.job_no = $1 AND a.assignment_no = v.assignment_no
    WHERE w.job_no = $1 AND w.worker_no = v.worker_no AND w.trust_state = 'suspended' AND w.trust_by = 'policy'
      AND (w.void_from, w.void_assignment, w.void_slot)
          IS DISTINCT FROM (a.submitted_at, a.market_assignment_id, v.slot)
    RETURNING true
), weighed AS (
    UPDATE job SET weighed_at = $5 WHERE job_no = $1 AND EXISTS (SELECT FROM moved)
)
SELECT count(*) FROM moved
"""
_NUMBERS = """
UPDATE job_worker w SET trust = v.evidence FROM unnest($2::int4[], $3::jsonb[]) AS v (worker_no, evidence)
WHERE w.job_no = $1 AND w.worker_no = v.worker_no AND w.trust IS DISTINCT FROM v.evidence
"""
_CHANGE = """
WITH weighed AS (
    UPDATE job SET weighed_at = $2 WHERE job_no = $1
      AND ('suspended' = ANY($4::text[]) OR EXISTS (
          SELECT FROM job_worker w WHERE w.job_no = $1 AND w.worker_no = ANY($3::int4[]) AND w.void_from IS NOT NULL))
), changed AS (
    UPDATE job_worker w
    SET trust_state = v.state, trust_by = v.by, trust_reason = v.reason, trust_revision = w.trust_revision + 1,
        void_from = CASE WHEN v.state = 'suspended' THEN coalesce(a.submitted_at, '-infinity') END,
        void_assignment = CASE WHEN v.state = 'suspended' THEN coalesce(a.market_assignment_id, '') END,
        void_slot = CASE WHEN v.state = 'suspended' THEN v.void_slot END,
        resting = w.resting AND v.by = 'policy' AND v.state <> 'suspended'
    FROM unnest($3::int4[], $4::text[], $5::text[], $6::text[], $7::jsonb[], $8::int8[], $9::int2[])
        AS v (worker_no, state, by, reason, evidence, void_assignment_no, void_slot)
    LEFT JOIN assignment a ON a.job_no = $1 AND a.assignment_no = v.void_assignment_no
    WHERE w.job_no = $1 AND w.worker_no = v.worker_no
    RETURNING w.worker_no, w.trust_revision, w.trust_state, w.trust_by, w.trust_reason, v.evidence
)
INSERT INTO trust_history (job_no, worker_no, revision, at, state, by, reason, evidence)
SELECT $1, worker_no, trust_revision, $2, trust_state, trust_by, trust_reason, evidence FROM changed
"""
_CORRECTED = "UPDATE job SET corrections = corrections + 1 WHERE job_no = $1"
_CORRECTIONS = "SELECT corrections, corrections > judged FROM job WHERE job_no = $1"
_JUDGED = "UPDATE job SET judged = greatest(judged, $2) WHERE job_no = $1 AND judged < $2"
_HISTORY = """
SELECT h.revision, h.at, h.state, h.by, h.reason, h.evidence FROM trust_history h
WHERE h.job_no = $1 AND h.worker_no = $2 ORDER BY h.revision DESC
"""


class Standing(Struct, frozen=True):
    """What is believed of a worker now; by: the policy, or a person."""

    worker_no: int
    worker_id: str
    state: str
    by: str
    reason: str


class Believed(Struct, frozen=True):
    """What is believed of one worker now, with the numbers; barred: the market is known to keep them out."""

    worker_no: int
    worker_id: str
    state: str
    by: str
    reason: str
    evidence: dict[str, Any]
    barred: bool
    resting: bool


class Automated(Struct, frozen=True):
    """A worker with signs of automation, as the last scoring found them; total: how many such workers there are."""

    worker_id: str
    state: str
    by: str
    signs: list[dict[str, Any]]
    total: int


class Verdict(Struct, frozen=True):
    """What is to be believed of a worker, why, and the numbers that it rests on.

    void_assignment_no, void_slot: the first answer of a suspended worker that has no weight; None, 0: none has any.
    """

    worker_no: int
    state: str
    reason: str
    evidence: dict[str, Any] = {}
    by: str = "policy"
    void_assignment_no: int | None = None
    void_slot: int = 0


class Change(Struct, frozen=True):
    """One change of what was believed of a worker."""

    revision: int
    at: datetime
    state: str
    by: str
    reason: str
    evidence: dict[str, Any]


async def standings(conn: Connection, job_no: int) -> list[Standing]:
    """Return what is believed of each of a job's workers."""
    return [Standing(*row) for row in await conn.fetch(_STANDINGS, job_no)]


async def correct(conn: Connection, job_no: int) -> None:
    """Have states be judged by gold that was corrected just now, whether or not the job is over. Its row is locked."""
    await conn.execute(_CORRECTED, job_no)


async def corrections(conn: Connection, job_no: int) -> tuple[int, bool]:
    """Return how often a job's gold was corrected, and whether its states are still to be judged by the last of it."""
    row = await conn.fetchrow(_CORRECTIONS, job_no)
    return row[0], row[1]


async def judged(conn: Connection, job_no: int, corrections: int) -> None:
    """Save that states are judged by so many corrections."""
    await conn.execute(_JUDGED, job_no, corrections)


async def rest(conn: Connection, job_no: int, worker_nos: Sequence[int]) -> tuple[int, int]:
    """Let these workers rest and no others; returns how many were sent to rest and how many were called back."""
    row = await conn.fetchrow(_REST, job_no, list(worker_nos))
    return row[0], row[1]


async def believed(conn: Connection, job_no: int) -> list[Believed]:
    """Return what a job believes of each of its workers, with the numbers; docs/gold.md says what these are."""
    return [Believed(*row) for row in await conn.fetch(_BELIEVED, job_no)]


async def find(conn: Connection, job_no: int, worker_id: str) -> Believed | None:
    """Return what a job believes of a worker, or None where they have not worked on it."""
    row = await conn.fetchrow(_FIND, job_no, worker_id)
    return None if row is None else Believed(*row)


async def automated(conn: Connection, job_no: int, limit: int) -> list[Automated]:
    """Return the workers with signs of automation, whoever has the strongest first."""
    return [Automated(*row) for row in await conn.fetch(_SIGNS, job_no, limit)]


async def keep_numbers(conn: Connection, job_no: int, verdicts: Sequence[Verdict]) -> None:
    """Keep the numbers that the policy goes by, whether or not a state changes."""
    await conn.execute(_NUMBERS, job_no, [one.worker_no for one in verdicts], [one.evidence for one in verdicts])


async def change(conn: Connection, job_no: int, verdicts: Sequence[Verdict], now: datetime) -> None:
    """Change what is believed of workers, each with a row of history. The caller holds the job's lock."""
    if verdicts:
        await conn.execute(
            _CHANGE,
            job_no,
            now,
            [one.worker_no for one in verdicts],
            [one.state for one in verdicts],
            [one.by for one in verdicts],
            [one.reason for one in verdicts],
            [one.evidence for one in verdicts],
            [one.void_assignment_no for one in verdicts],
            [one.void_slot for one in verdicts],
        )


async def void_from(conn: Connection, job_no: int, verdicts: Sequence[Verdict], now: datetime) -> int:
    """Move the answer from which on suspended workers' answers have no weight; returns for how many it moved."""
    return int(
        await conn.fetchval(
            _VOID,
            job_no,
            [one.worker_no for one in verdicts],
            [one.void_assignment_no for one in verdicts],
            [one.void_slot for one in verdicts],
            now,
        )
    )


async def history(conn: Connection, job_no: int, worker_no: int) -> list[Change]:
    """Return every change of what was believed of a worker, the latest first."""
    return [Change(*row) for row in await conn.fetch(_HISTORY, job_no, worker_no)]
