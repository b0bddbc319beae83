"""A job's answers as arrays, by binary COPY."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from service.store.dues import Connection
from service.store.plans import BY_HASH

# The order is the rule by which a later answer supersedes: the market's submit time, then the assignment's id.
_COPY = """
SELECT n.item_no, n.worker_no, n.label FROM counting_answer n WHERE n.job_no = $1
ORDER BY n.submitted_at, n.market_assignment_id, n.slot
"""
# The same with the time, and without gold where it is not to be told from items.
_COPY_COUNTING = """
SELECT n.item_no, n.worker_no, n.label, n.submitted_at FROM counting_answer n JOIN item i USING (job_no, item_no)
WHERE n.job_no = $1 AND ($2 OR NOT i.is_gold) ORDER BY n.submitted_at, n.market_assignment_id, n.slot
"""
_COPY_BATCHES = """
SELECT item_no, (dense_rank() OVER (ORDER BY batch) - 1)::int4 FROM item
WHERE job_no = $1 AND batch IS NOT NULL AND ($2 OR NOT is_gold)
"""
_BATCHES = """
SELECT DISTINCT batch FROM item WHERE job_no = $1 AND batch IS NOT NULL AND ($2 OR NOT is_gold) ORDER BY batch
"""
# What trust is judged by: everybody's answers, suspended or not, with when their work began and ended.
_COPY_FACTS = """
SELECT n.item_no, n.worker_no, n.label, n.submitted_at, coalesce(a.accepted_at, n.submitted_at), n.assignment_no, n.slot
FROM answer n JOIN assignment a USING (job_no, assignment_no)
WHERE n.job_no = $1 AND a.state <> 'rejected' ORDER BY n.submitted_at, a.market_assignment_id, n.slot
"""
# The versions in force. Gold that was excluded says nothing, neither of its item nor of those who answered it; gold
# that was retired still does.
_GOLD = """
SELECT g.item_no, g.accepted_labels FROM gold g JOIN item i USING (job_no, item_no)
WHERE g.job_no = $1 AND i.state = 'open' AND g.state <> 'excluded' ORDER BY g.item_no
"""
_SIGNATURE = b"PGCOPY\n\xff\r\n\0"
_HEADER = len(_SIGNATURE) + 8  # flags and the length of an extension that is always empty
_TRAILER = 2
# A row of (int4, int4, int2): the count of fields, then each with its length before it, all big-endian.
_ROW = np.dtype(
    [("n", ">i2"), ("l1", ">i4"), ("item", ">i4"), ("l2", ">i4"), ("worker", ">i4"), ("l3", ">i4"), ("label", ">i2")]
)
# A timestamptz is microseconds since then.
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
_FACT = np.dtype(
    [
        *_ROW.descr,
        *[("l4", ">i4"), ("submitted", ">i8"), ("l5", ">i4"), ("accepted", ">i8")],
        *[("l6", ">i4"), ("assignment", ">i8"), ("l7", ">i4"), ("slot", ">i2")],
    ]
)

_COUNTING = np.dtype([*_ROW.descr, ("l4", ">i4"), ("submitted", ">i8")])
_BATCH = np.dtype([("n", ">i2"), ("l1", ">i4"), ("item", ">i4"), ("l2", ">i4"), ("batch", ">i4")])

Ints = npt.NDArray[np.int32]
Microseconds = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Facts:
    """Answers in the order in which they supersede: arrays of one length, times in microseconds since 2000."""

    item: Ints
    worker: Ints
    label: Ints
    submitted: Microseconds
    accepted: Microseconds
    assignment: npt.NDArray[np.int64]
    slot: npt.NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Counting:
    """Answers that count, in the order in which they supersede: arrays of one length, times in microseconds."""

    item: Ints
    worker: Ints
    label: Ints
    submitted: Microseconds


async def load(conn: Connection, job_no: int) -> tuple[Ints, Ints, Ints]:
    """Return (item_no, worker_no, label) of what counts, (n_answers,) int32 each, in the order of superseding."""
    rows = await copy_rows(conn, _COPY, _ROW, job_no)
    return rows["item"].astype(np.int32), rows["worker"].astype(np.int32), rows["label"].astype(np.int32)


async def load_facts(conn: Connection, job_no: int) -> Facts:
    """Return all answers that were not rejected, of suspended workers too."""
    rows = await copy_rows(conn, _COPY_FACTS, _FACT, job_no)
    return Facts(
        item=rows["item"].astype(np.int32),
        worker=rows["worker"].astype(np.int32),
        label=rows["label"].astype(np.int32),
        submitted=rows["submitted"].astype(np.int64),
        accepted=rows["accepted"].astype(np.int64),
        assignment=rows["assignment"].astype(np.int64),
        slot=rows["slot"].astype(np.int16),
    )


async def load_counting(conn: Connection, job_no: int, *, gold: bool) -> Counting:
    """Return the answers that count with the time they were handed in; those to gold items where gold is true."""
    rows = await copy_rows(conn, _COPY_COUNTING, _COUNTING, job_no, gold)
    item, worker, label = (rows[name].astype(np.int32) for name in ("item", "worker", "label"))
    return Counting(item, worker, label, rows["submitted"].astype(np.int64))


async def load_batches(
    conn: Connection, job_no: int, n_items: int, *, gold: bool
) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Return the names of a job's batches, and each item's place among them, (n_items,), -1 for none."""
    names = [row["batch"] for row in await conn.fetch(_BATCHES, job_no, gold)]
    batch = np.full(n_items, -1, dtype=np.int64)
    rows = await copy_rows(conn, _COPY_BATCHES, _BATCH, job_no, gold)
    batch[rows["item"]] = rows["batch"]
    return names, batch


async def copy_rows(
    conn: Connection, query: str, row: npt.DTypeLike, *args: float, whole_job: bool = True
) -> npt.NDArray[Any]:
    """Return the rows of a query, laid out as the dtype says; none of its columns may be null.

    Parameters
    ----------
    whole_job : bool
        It reads a whole job: joined by hash, as is what the caller's transaction asks for afterwards.
    """
    sink = io.BytesIO()
    async with conn.transaction():
        if whole_job:
            await conn.execute(BY_HASH)
        await conn.copy_from_query(query, *args, output=sink, format="binary")
    data = sink.getbuffer()
    if bytes(data[: len(_SIGNATURE)]) != _SIGNATURE:
        raise ValueError("Postgres answered COPY in a format that is not its binary one")
    return np.frombuffer(data[_HEADER : len(data) - _TRAILER], dtype=row)


async def accepted_of(conn: Connection, job_no: int, item_nos: Sequence[int], n_labels: int) -> npt.NDArray[np.bool_]:
    """Return which labels are accepted of these gold items, (len(item_nos), n_labels), in their order."""
    rows = {row["item_no"]: row["accepted_labels"] for row in await conn.fetch(_GOLD, job_no)}
    mask: npt.NDArray[Any] = np.zeros((len(item_nos), n_labels), dtype=bool)
    for place, item_no in enumerate(item_nos):
        mask[place, rows[item_no]] = True
    return mask


async def gold_mask(conn: Connection, job_no: int, n_items: int, n_labels: int) -> npt.NDArray[np.bool_]:
    """Return which labels are accepted of each item, (n_items, n_labels); a row of False is no gold item."""
    mask: npt.NDArray[Any] = np.zeros((n_items, n_labels), dtype=bool)
    for row in await conn.fetch(_GOLD, job_no):
        mask[row["item_no"], row["accepted_labels"]] = True
    return mask
