"""What workers answered to a bank's gold, over all jobs that copied it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from service.store.answer_arrays import BEGINNING, copy_rows
from service.store.dues import Connection

# Whoever is suspended in a job speaks neither for nor against the gold that they met there.
_ANSWERS = """
SELECT g.bank_item, n.label, dense_rank() OVER (ORDER BY w.worker_id)::int4, n.job_no, n.worker_no, n.submitted_at,
    coalesce(a.accepted_at, n.submitted_at)
FROM gold g JOIN answer n USING (job_no, item_no) JOIN assignment a USING (job_no, assignment_no)
JOIN job_worker w ON w.job_no = n.job_no AND w.worker_no = n.worker_no
WHERE g.bank_no = $1 AND a.state <> 'rejected' AND w.trust_state <> 'suspended'
ORDER BY n.submitted_at, a.market_assignment_id, n.slot
"""
_USUAL = """
SELECT a.job_no, a.worker_no,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM a.submitted_at - a.accepted_at)::float8)
FROM (SELECT DISTINCT n.job_no, n.worker_no FROM gold g JOIN answer n USING (job_no, item_no) WHERE g.bank_no = $1) w
JOIN assignment a USING (job_no, worker_no)
WHERE a.accepted_at < a.submitted_at GROUP BY 1, 2 HAVING count(*) >= $2
"""
_JOBS = """
SELECT j.job_no, j.job_id, j.name, j.state, j.spec -> 'task' -> 'labels' FROM job j
WHERE EXISTS (SELECT FROM gold g WHERE g.job_no = j.job_no AND g.bank_no = $1) ORDER BY j.job_no
"""
_COPIES = "SELECT bank_item, job_no, state FROM gold WHERE bank_no = $1 AND bank_item = ANY($2::int4[])"
_WHO = """
SELECT w.job_no, w.worker_no, w.worker_id, k.market_worker_id FROM job_worker w JOIN worker k USING (worker_id)
JOIN unnest($1::int8[], $2::int4[]) AS asked (job_no, worker_no) USING (job_no, worker_no)
"""
_ROW = np.dtype(
    [
        *[("n", ">i2"), ("l1", ">i4"), ("item", ">i4"), ("l2", ">i4"), ("label", ">i2"), ("l3", ">i4")],
        *[("worker", ">i4"), ("l4", ">i4"), ("job", ">i8"), ("l5", ">i4"), ("worker_no", ">i4"), ("l6", ">i4")],
        *[("submitted", ">i8"), ("l7", ">i4"), ("accepted", ">i8")],
    ]
)

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Met:
    """Answers to a bank's gold in the order in which they supersede: arrays of one length.

    Attributes
    ----------
    item : the bank's numbers of its items
    label : as its job numbers label values
    worker : the same in all jobs; worker_no : in its job
    job : job_no
    submitted, accepted : microseconds since 2000; the same where it is not known when the assignment was accepted
    """

    item: Integers
    label: Integers
    worker: Integers
    job: Integers
    worker_no: Integers
    submitted: Integers
    accepted: Integers

    def rows(self, rows: Integers) -> Met:
        """Take some of the answers."""
        return Met(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def at(self, row: int) -> datetime:
        """Return when an answer was handed in."""
        return BEGINNING + timedelta(microseconds=int(self.submitted[row]))


class CopiedTo(Struct, frozen=True):
    """A job that has gold of a bank; labels: its label values, in its order."""

    job_no: int
    job_id: str
    name: str
    state: str
    labels: list[str]


class Who(Struct, frozen=True):
    """A worker, by Assay's id and the market's."""

    worker_id: str
    market_worker_id: str


async def load(conn: Connection, bank_no: int) -> Met:
    """Return every answer to a bank's gold that was not rejected, of workers who are not suspended where they gave it.

    What a job excluded is among it: the bank's version says what is right of its item, not the job's.
    """
    rows = await copy_rows(conn, _ANSWERS, _ROW, bank_no, whole_job=False)
    names = ("item", "label", "worker", "job", "worker_no", "submitted", "accepted")
    return Met(*(rows[name].astype(np.int64) for name in names))


async def usual_seconds(conn: Connection, bank_no: int, *, at_least: int) -> dict[tuple[int, int], float]:
    """Return the median time of an assignment, by (job_no, worker_no), of those who met the bank's gold.

    Parameters
    ----------
    at_least : int
        Assignments of a worker in a job of which the time is known; with fewer, nothing is said.
    """
    return {(row[0], row[1]): row[2] for row in await conn.fetch(_USUAL, bank_no, at_least)}


async def jobs(conn: Connection, bank_no: int) -> dict[int, CopiedTo]:
    """Return the jobs that have gold of a bank, by number."""
    return {row["job_no"]: CopiedTo(*row) for row in await conn.fetch(_JOBS, bank_no)}


async def copies(conn: Connection, bank_no: int, bank_items: Sequence[int]) -> dict[tuple[int, int], str]:
    """Return the state of gold in each job that it was copied into, by (bank_item, job_no)."""
    rows: Any = await conn.fetch(_COPIES, bank_no, list(bank_items))
    return {(row[0], row[1]): row[2] for row in rows}


async def who(conn: Connection, job_nos: Sequence[int], worker_nos: Sequence[int]) -> dict[tuple[int, int], Who]:
    """Return workers by (job_no, worker_no)."""
    rows = await conn.fetch(_WHO, list(job_nos), list(worker_nos))
    return {(row[0], row[1]): Who(row[2], row[3]) for row in rows}
