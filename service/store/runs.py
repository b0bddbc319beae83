"""Runs, the consensus that each leaves, and the history of what changed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import Struct
from msgspec.structs import astuple

from service.store.dues import Connection

_LOAD = """
SELECT j.job_id, j.n_labels, j.next_item_no, j.next_worker_no, j.guidelines_no, j.state,
    coalesce(j.spec -> 'consensus' ->> 'method', 'auto'),
    NOT EXISTS (SELECT FROM item i WHERE i.job_no = j.job_no AND i.state = 'open' AND NOT i.is_gold)
    AND NOT EXISTS (SELECT FROM hit h WHERE h.job_no = j.job_no AND h.state <> 'closed') AS closing
FROM job j WHERE j.job_no = $1
"""
_LAST = "SELECT run_no, prevalence FROM run WHERE job_no = $1 ORDER BY run_no DESC LIMIT 1"
_CONFUSIONS = """
SELECT worker_no, confusion FROM job_worker WHERE job_no = $1 AND confusion IS NOT NULL ORDER BY worker_no
"""
_TAKE_NUMBER = "UPDATE job SET next_run_no = next_run_no + 1 WHERE job_no = $1 RETURNING next_run_no - 1"
_INSERT = """
INSERT INTO run (job_no, run_no, run_id, kind, method, params, n_items, n_workers, n_answers, n_iter, converged,
                 objective, prevalence, started_at, finished_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
"""
_FRESH = """
CREATE TEMP TABLE fresh (item_no int4, label int2, probabilities float8[], confidence float8, n_answers int4)
ON COMMIT DROP
"""
# An interim run rewrites what moved; the closing run rewrites all. A revision is a change that a reader would notice:
# of the label, or of the band that its confidence lies in.
_MERGE = """
WITH merged AS (
    INSERT INTO consensus AS c (job_no, item_no, run_no, label, probabilities, confidence, n_answers, guidelines)
    SELECT $1, f.item_no, $2, f.label, f.probabilities, f.confidence, f.n_answers, ARRAY[$3::int2] FROM pg_temp.fresh f
    WHERE NOT EXISTS (SELECT FROM item i WHERE i.job_no = $1 AND i.item_no = f.item_no AND i.settled_by = 'person')
    ON CONFLICT (job_no, item_no) DO UPDATE SET
        run_no = excluded.run_no, label = excluded.label, probabilities = excluded.probabilities,
        confidence = excluded.confidence, n_answers = excluded.n_answers,
        revision = c.revision + (c.label <> excluded.label
            OR width_bucket(c.confidence, $4) <> width_bucket(excluded.confidence, $4))::int
    WHERE $5 OR c.label <> excluded.label OR c.n_answers <> excluded.n_answers
        OR abs(c.confidence - excluded.confidence) > 0.001
    RETURNING c.item_no, c.revision, c.label, c.confidence, c.n_answers
)
INSERT INTO consensus_history (job_no, item_no, revision, at, run_no, label, confidence, n_answers, state)
SELECT $1, m.item_no, m.revision, $6, $2, m.label, m.confidence, m.n_answers, i.state
FROM merged m JOIN item i ON i.job_no = $1 AND i.item_no = m.item_no
ON CONFLICT (job_no, item_no, revision) DO NOTHING
"""
_CONFUSED = """
UPDATE job_worker SET confusion = c.confusion, confusion_run = $2 FROM pg_temp.confused c
WHERE job_worker.job_no = $1 AND job_worker.worker_no = c.worker_no
"""
# An item of which no answer counts any more is as uncertain as before the first; what was said of it stays. Of settled
# ones, which nobody is asked about again, that is said when the job closes. Which items have answers that count is what
# the caller knows: asked here, it would be found out item by item wherever the planner knows nothing of a new job.
_SAID = """
SELECT c.item_no FROM consensus c JOIN item i USING (job_no, item_no)
WHERE c.job_no = $1 AND c.n_answers > 0 AND (i.state = 'open' OR ($2 AND i.settled_by IN ('target', 'maximum')))
"""
_UNCOUNT = """
WITH lost AS (
    UPDATE consensus c SET n_answers = 0, confidence = 0, revision = c.revision + 1 FROM item i
    WHERE c.job_no = $1 AND c.item_no = ANY($3::int4[]) AND i.job_no = $1 AND i.item_no = c.item_no
    RETURNING c.item_no, c.revision, c.run_no, c.label, i.state
), told AS (
    INSERT INTO consensus_history (job_no, item_no, revision, at, run_no, label, confidence, n_answers, state)
    SELECT $1, item_no, revision, $2, run_no, label, 0, 0, state FROM lost
)
SELECT count(*) FROM lost WHERE state = 'settled'
"""
_BANDS = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99]


_RUN = """
SELECT run_id, kind, method, params, n_items, n_workers, n_answers, n_iter, converged, objective, prevalence,
    started_at, finished_at, run_no
FROM run WHERE job_no = $1
"""
_PAGE = f"{_RUN} AND run_no < $2 ORDER BY run_no DESC LIMIT $3"
_ONE = f"{_RUN} AND run_id = $2"


class JobToInfer(Struct, frozen=True):
    """What a run needs to know of its job; closing: all is settled and closed, this run is the last."""

    job_id: str
    n_labels: int
    n_items: int
    n_workers: int
    guidelines_no: int
    state: str
    method: str
    closing: bool


class NewRun(Struct, frozen=True):
    """A run to save."""

    run_id: str
    kind: str
    method: str
    params: dict[str, Any]
    n_items: int
    n_workers: int
    n_answers: int
    n_iter: int
    converged: bool
    objective: float | None
    prevalence: list[float] | None
    started_at: datetime
    finished_at: datetime


class Run(NewRun, frozen=True):
    """A run as it is stored."""

    run_no: int


async def page(conn: Connection, job_no: int, *, before: int, limit: int) -> list[Run]:
    """Return a job's runs before a number, the latest first."""
    return [Run(*row) for row in await conn.fetch(_PAGE, job_no, before, limit)]


async def find(conn: Connection, job_no: int, run_id: str) -> Run | None:
    """Return one of a job's runs."""
    row = await conn.fetchrow(_ONE, job_no, run_id)
    return None if row is None else Run(*row)


async def load_job(conn: Connection, job_no: int) -> JobToInfer:
    """Return what a run needs to know of its job."""
    return JobToInfer(*await conn.fetchrow(_LOAD, job_no))


async def last_parameters(
    conn: Connection, job_no: int, n_labels: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None:
    """Return (confusion (n_workers, K, K), prevalence (K,)) of the last run for the workers that it knew, or None."""
    last = await conn.fetchrow(_LAST, job_no)
    rows = await conn.fetch(_CONFUSIONS, job_no)
    if last is None or last["prevalence"] is None or [row["worker_no"] for row in rows] != list(range(len(rows))):
        return None
    confusion = np.array([row["confusion"] for row in rows], dtype=np.float64).reshape(len(rows), n_labels, n_labels)
    return confusion, np.array(last["prevalence"], dtype=np.float64)


async def uncount(conn: Connection, job_no: int, counted: Collection[int], now: datetime, *, closing: bool) -> int:
    """Take its confidence from the consensus of items of which no answer counts any more.

    Returns how many of them were settled, which are looked at when the job closes.

    Parameters
    ----------
    counted : collection of int
        Items of which an answer counts.
    """
    lost = [row["item_no"] for row in await conn.fetch(_SAID, job_no, closing) if row["item_no"] not in counted]
    return int(await conn.fetchval(_UNCOUNT, job_no, now, lost)) if lost else 0


async def save(
    conn: Connection,
    job_no: int,
    run: NewRun,
    *,
    consensus: Sequence[tuple[int, int, list[float], float, int]],
    confusion: Sequence[tuple[int, list[float]]],
    guidelines_no: int,
    now: datetime,
) -> int:
    """Save a run, the consensus (item_no, label, probabilities, confidence, n_answers) and the confusion matrices."""
    run_no: int = await conn.fetchval(_TAKE_NUMBER, job_no)
    await conn.execute(_INSERT, job_no, run_no, *astuple(run))
    await conn.execute(_FRESH)
    await conn.copy_records_to_table("fresh", records=consensus, schema_name="pg_temp")
    await conn.execute(_MERGE, job_no, run_no, guidelines_no, _BANDS, run.kind == "closing", now)
    await conn.execute("CREATE TEMP TABLE confused (worker_no int4, confusion float8[]) ON COMMIT DROP")
    await conn.copy_records_to_table("confused", records=confusion, schema_name="pg_temp")
    await conn.execute(_CONFUSED, job_no, run_no)
    return run_no
