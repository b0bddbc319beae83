"""A job's answers as arrays, by binary COPY."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from service.store.dues import Connection

# The order is the rule by which a later answer supersedes: the market's submit time, then the assignment's id.
_COPY = """
SELECT n.item_no, n.worker_no, n.label FROM answer n JOIN assignment a USING (job_no, assignment_no)
WHERE n.job_no = $1 AND a.state <> 'rejected'
  AND (NOT $2 OR EXISTS (SELECT FROM gold g WHERE g.job_no = n.job_no AND g.item_no = n.item_no))
ORDER BY n.submitted_at, a.market_assignment_id, n.slot
"""
# Gold that was withdrawn says nothing any more, neither of its item nor of those who answered it.
_GOLD = """
SELECT g.item_no, g.accepted_labels FROM gold g JOIN item i USING (job_no, item_no)
WHERE g.job_no = $1 AND i.state = 'open' ORDER BY g.item_no
"""
_SIGNATURE = b"PGCOPY\n\xff\r\n\0"
_HEADER = len(_SIGNATURE) + 8  # flags and the length of an extension that is always empty
_TRAILER = 2
# A row of (int4, int4, int2): the count of fields, then each with its length before it, all big-endian.
_ROW = np.dtype(
    [("n", ">i2"), ("l1", ">i4"), ("item", ">i4"), ("l2", ">i4"), ("worker", ">i4"), ("l3", ">i4"), ("label", ">i2")]
)

Ints = npt.NDArray[np.int32]


async def load(conn: Connection, job_no: int, *, gold_only: bool = False) -> tuple[Ints, Ints, Ints]:
    """Return (item_no, worker_no, label), each (n_answers,) int32, in the order in which answers supersede."""
    sink = io.BytesIO()
    await conn.copy_from_query(_COPY, job_no, gold_only, output=sink, format="binary")
    data = sink.getbuffer()
    if bytes(data[: len(_SIGNATURE)]) != _SIGNATURE:
        raise ValueError("Postgres answered COPY in a format that is not its binary one")
    rows = np.frombuffer(data[_HEADER : len(data) - _TRAILER], dtype=_ROW)
    return rows["item"].astype(np.int32), rows["worker"].astype(np.int32), rows["label"].astype(np.int32)


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
