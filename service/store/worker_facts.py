"""What a job's worker report is made of: who they are, what they handed in, and what it is held against."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from gold.reliability import Belief, Work
from service.store import answer_arrays
from service.store.dues import Connection

_WORKERS = """
SELECT p.worker_no, p.worker_id, w.market_worker_id, m.name, p.first_seen_at, r.run_id, p.trust_state, p.trust_by,
    p.trust_reason, p.resting
FROM job_worker p JOIN worker w USING (worker_id) JOIN market m USING (market_no)
LEFT JOIN run r ON r.job_no = p.job_no AND r.run_no = p.confusion_run
WHERE p.job_no = $1 ORDER BY p.worker_no
"""
_LAST_RUN = "SELECT run_id, prevalence FROM run WHERE job_no = $1 ORDER BY run_no DESC LIMIT 1"
# In the order in which answers supersede. Where it was not told when work began, it began when it ended. What was paid
# is what the books say; a stray is another's work under a second name.
_ASSIGNMENTS = """
SELECT a.assignment_no, a.worker_no, coalesce(a.accepted_at, a.submitted_at), a.submitted_at,
    (a.state = 'rejected')::int::int2, coalesce(m.cents, -1)
FROM assignment a LEFT JOIN money m ON m.job_no = a.job_no AND m.assignment_no = a.assignment_no AND m.kind = 'spend'
WHERE a.job_no = $1 AND a.state <> 'stray' ORDER BY a.submitted_at, a.market_assignment_id, a.assignment_no
"""
_ANSWERS = "SELECT item_no, worker_no, label, assignment_no, slot FROM answer WHERE job_no = $1"
# An item whose answers have all lost their weight has a label that nothing speaks for.
_CONSENSUS = "SELECT item_no, probabilities FROM consensus WHERE job_no = $1 AND n_answers > 0"
_CONFUSION = "SELECT worker_no, confusion FROM job_worker WHERE job_no = $1 AND confusion IS NOT NULL"

# What all of this rests on, each a number that only grows: who and what there is, what was handed in (append-only),
# what was paid and reviewed, what was said of workers and gold, how often score and infer have saved what they found.
_VERSION = """
SELECT j.next_worker_no, j.next_item_no, j.next_run_no,
    (SELECT max(a.assignment_no) FROM assignment a WHERE a.job_no = j.job_no),
    (SELECT max(m.entry_no) FROM money m WHERE m.job_no = j.job_no),
    (SELECT sum(h.reviewed) FROM hit h WHERE h.job_no = j.job_no),
    (SELECT sum(p.trust_revision) FROM job_worker p WHERE p.job_no = j.job_no),
    (SELECT sum(g.version) FROM gold g WHERE g.job_no = j.job_no),
    (SELECT sum(d.finished)::int8 FROM due d WHERE d.subject = j.job_no AND d.stage IN ('score', 'infer'))
FROM job j WHERE j.job_no = $1
"""

_ASSIGNMENT = np.dtype(
    [
        *[("n", ">i2"), ("l1", ">i4"), ("assignment", ">i8"), ("l2", ">i4"), ("worker", ">i4")],
        *[("l3", ">i4"), ("began", ">i8"), ("l4", ">i4"), ("ended", ">i8")],
        *[("l5", ">i4"), ("rejected", ">i2"), ("l6", ">i4"), ("cents", ">i8")],
    ]
)
_ANSWER = np.dtype(
    [
        *[("n", ">i2"), ("l1", ">i4"), ("item", ">i4"), ("l2", ">i4"), ("worker", ">i4"), ("l3", ">i4")],
        *[("label", ">i2"), ("l4", ">i4"), ("assignment", ">i8"), ("l5", ">i4"), ("slot", ">i2")],
    ]
)
# An array begins with its dimensions, whether it has nulls, its type, its length and its first index, four bytes each.
_ARRAY_HEAD = "V20"

Floats = npt.NDArray[np.float64]
Version: TypeAlias = tuple[int | None, ...]
"""Of the facts: it changes whenever one of them does, and never comes back."""


class WorkerRow(Struct, frozen=True):
    """A worker in a job, and what is believed of them. run_id: of the stored confusion matrix."""

    worker_no: int
    worker_id: str
    market_worker_id: str
    market: str
    first_seen_at: datetime
    run_id: str | None
    state: str
    by: str
    reason: str
    resting: bool


@dataclass(frozen=True, eq=False)
class WorkerFacts:
    """All of it as of one moment.

    Attributes
    ----------
    workers : list of WorkerRow
        By number.
    work, belief
        See `gold.reliability`; n_workers is one more than the largest number that may occur.
    assignment_no : (n_assignments,) int64
        The store's number of each assignment in `work`.
    run_id : str or None
        The last run.
    """

    workers: list[WorkerRow]
    work: Work
    belief: Belief
    n_workers: int
    assignment_no: npt.NDArray[np.int64]
    run_id: str | None
    version: Version


async def version(conn: Connection, job_no: int) -> Version:
    """Return the version of a job's facts, in a small part of the time that it takes to load them."""
    return tuple(await conn.fetchrow(_VERSION, job_no))


async def load(conn: Connection, job_no: int, *, n_labels: int, reward_cents: int) -> WorkerFacts:
    """Load a job's facts, all as of one moment."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        stands = await version(conn, job_no)
        size = await conn.fetchrow("SELECT next_item_no, next_worker_no FROM job WHERE job_no = $1", job_no)
        n_items, n_workers = size["next_item_no"], size["next_worker_no"]
        workers = [WorkerRow(*row) for row in await conn.fetch(_WORKERS, job_no)]
        last = await conn.fetchrow(_LAST_RUN, job_no)
        handed_in = await answer_arrays.copy_rows(conn, _ASSIGNMENTS, _ASSIGNMENT, job_no)
        answers = await answer_arrays.copy_rows(conn, _ANSWERS, _ANSWER, job_no)
        accepted = await answer_arrays.gold_mask(conn, job_no, n_items, n_labels)
        posterior = await _tables(conn, _CONSENSUS, job_no, n_items, n_labels)
        confusion = await _tables(conn, _CONFUSION, job_no, n_workers, n_labels * n_labels)
    prevalence = None if last is None or last["prevalence"] is None else np.array(last["prevalence"])
    return WorkerFacts(
        workers=workers,
        work=_work(handed_in, answers, reward_cents),
        belief=Belief(accepted, posterior, confusion.reshape(n_workers, n_labels, n_labels), prevalence),
        n_workers=n_workers,
        assignment_no=handed_in["assignment"].astype(np.int64),
        run_id=None if last is None else last["run_id"],
        version=stands,
    )


def _work(handed_in: npt.NDArray[Any], answers: npt.NDArray[Any], reward_cents: int) -> Work:
    """Put answers into the order in which they supersede, each with the row of its assignment."""
    numbers = handed_in["assignment"].astype(np.int64)
    by_number = np.argsort(numbers)
    place = by_number[np.searchsorted(numbers[by_number], answers["assignment"].astype(np.int64))]
    order = np.lexsort((answers["slot"].astype(np.int64), place))
    cents = handed_in["cents"].astype(np.int64)
    return Work(
        item=answers["item"].astype(np.int64)[order],
        worker=answers["worker"].astype(np.int64)[order],
        label=answers["label"].astype(np.int64)[order],
        assignment=place[order],
        of=handed_in["worker"].astype(np.int64),
        began=handed_in["began"].astype(np.int64),
        ended=handed_in["ended"].astype(np.int64),
        rejected=handed_in["rejected"] != 0,
        approved=cents >= 0,
        pay=np.where(cents >= 0, reward_cents, 0),
        cost=np.maximum(cents, 0),
    )


async def _tables(conn: Connection, query: str, job_no: int, n_rows: int, width: int) -> Floats:
    """Return arrays of one length by their number, (n_rows, width); NaN where there is none."""
    cell = np.dtype([("l", ">i4"), ("value", ">f8")])
    row = np.dtype(
        [("n", ">i2"), ("l1", ">i4"), ("number", ">i4"), ("l2", ">i4"), ("head", _ARRAY_HEAD), ("cells", cell, width)]
    )
    told = await answer_arrays.copy_rows(conn, query, row, job_no)
    table = np.full((n_rows, width), np.nan)
    table[told["number"]] = told["cells"]["value"]
    return table
