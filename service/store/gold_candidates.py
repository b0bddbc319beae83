"""Candidates for gold: the items of whose label the consensus is sure, and what persons said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from service.store.answer_arrays import copy_rows
from service.store.dues import Connection

_SURE = """
SELECT c.item_no, c.label, c.confidence FROM consensus c JOIN item i USING (job_no, item_no)
WHERE c.job_no = $1 AND c.confidence >= $2 AND NOT i.is_gold AND i.settled_by IS DISTINCT FROM 'withdrawn'
    AND ($3 OR NOT EXISTS (SELECT FROM gold_candidate d WHERE d.job_no = $1 AND d.item_no = c.item_no))
ORDER BY c.item_no
"""
_SHOWN = """
SELECT i.item_no, i.external_id, i.payload, c.probabilities, r.run_id
FROM item i JOIN consensus c USING (job_no, item_no) JOIN run r USING (job_no, run_no)
WHERE i.job_no = $1 AND i.item_no = ANY($2::int4[])
"""
_VERDICT = """
SELECT d.item_no, i.external_id, d.revision, d.at, d.by, d.verdict, d.reason, d.evidence, b.name, d.bank_version,
    v.accepted, b.task -> 'labels'
FROM gold_candidate d JOIN item i USING (job_no, item_no)
LEFT JOIN gold_bank b ON b.bank_no = d.bank_no
LEFT JOIN gold_bank_version v ON (v.bank_no, v.bank_item, v.version) = (d.bank_no, d.bank_item, d.bank_version)
WHERE d.job_no = $1
"""
_PAGE = f"{_VERDICT} AND (d.item_no, d.revision) > ($2, $3) ORDER BY d.item_no, d.revision LIMIT $4"
_OF_ITEMS = """
    AND i.external_id = ANY($2::text[])
    AND d.revision = (SELECT max(n.revision) FROM gold_candidate n WHERE n.job_no = $1 AND n.item_no = d.item_no)
"""
_LATEST = _VERDICT + _OF_ITEMS
_NUMBERS = "SELECT external_id, item_no FROM item WHERE job_no = $1 AND external_id = ANY($2::text[]) AND NOT is_gold"
_SAVE = """
INSERT INTO gold_candidate (job_no, item_no, revision, at, by, verdict, reason, evidence, bank_no, bank_item,
    bank_version)
SELECT $1, s.item_no, 1 + (SELECT count(*) FROM gold_candidate d WHERE d.job_no = $1 AND d.item_no = s.item_no), $2, $3,
    CASE WHEN $4::bigint IS NULL THEN 'refused' ELSE 'accepted' END, s.reason, s.evidence, $4, s.bank_item,
    s.bank_version
FROM unnest($5::int4[], $6::text[], $7::jsonb[], $8::int4[], $9::int4[])
    AS s (item_no, reason, evidence, bank_item, bank_version)
"""
_ROW = np.dtype(
    [
        ("n", ">i2"),
        *[("l1", ">i4"), ("item", ">i4"), ("l2", ">i4"), ("label", ">i2"), ("l3", ">i4"), ("confidence", ">f8")],
    ]
)


@dataclass(frozen=True, eq=False)
class Sure:
    """Items that are no gold, and the consensus that is sure of them: arrays of one length, by item."""

    item: npt.NDArray[np.int64]
    label: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]


class Shown(Struct, frozen=True):
    """What is shown of an item beside its answers."""

    item_no: int
    external_id: str
    payload: dict[str, Any]
    probabilities: list[float]
    run_id: str


class VerdictRow(Struct, frozen=True):
    """What a person said of a candidate; the rest: of the bank's item that an accepted one became.

    labels: the bank's label values, which the labels in `accepted` are places in.
    """

    item_no: int
    external_id: str
    revision: int
    at: datetime
    by: str
    verdict: str
    reason: str
    evidence: dict[str, Any]
    bank: str | None
    version: int | None
    accepted: list[dict[str, Any]] | None
    labels: list[str] | None


class NewVerdict(Struct, frozen=True):
    """What is to be kept; bank_item, version: of an accepted candidate."""

    item_no: int
    reason: str
    evidence: dict[str, Any]
    bank_item: int | None = None
    version: int | None = None


async def sure(conn: Connection, job_no: int, least_confidence: float, *, decided: bool) -> Sure:
    """Return the items of whose label the consensus is so sure; with those of which a person said something, or not."""
    rows = await copy_rows(conn, _SURE, _ROW, job_no, least_confidence, decided)
    return Sure(rows["item"].astype(np.int64), rows["label"].astype(np.int64), rows["confidence"].astype(np.float64))


async def shown(conn: Connection, job_no: int, item_nos: Sequence[int]) -> dict[int, Shown]:
    """Return what is shown of items that have a consensus, by their numbers."""
    return {row["item_no"]: Shown(*row) for row in await conn.fetch(_SHOWN, job_no, list(item_nos))}


async def numbers(conn: Connection, job_no: int, external_ids: Sequence[str]) -> dict[str, int]:
    """Return the numbers of those of these items that the job has, gold left out."""
    return {row["external_id"]: row["item_no"] for row in await conn.fetch(_NUMBERS, job_no, list(external_ids))}


async def page(conn: Connection, job_no: int, *, after: tuple[int, int], limit: int) -> list[VerdictRow]:
    """Return what was said of a job's candidates, after (item_no, revision)."""
    return [VerdictRow(*row) for row in await conn.fetch(_PAGE, job_no, *after, limit)]


async def latest(conn: Connection, job_no: int, external_ids: Sequence[str]) -> dict[str, VerdictRow]:
    """Return what was said last of those of these items of which something was."""
    rows = await conn.fetch(_LATEST, job_no, list(external_ids))
    return {row["external_id"]: VerdictRow(*row) for row in rows}


async def save(
    conn: Connection, job_no: int, verdicts: Sequence[NewVerdict], *, bank_no: int | None, at: datetime, by: str
) -> None:
    """Keep that candidates were accepted into a bank, or, without one, refused. The caller holds the job's lock."""
    await conn.execute(
        _SAVE,
        job_no,
        at,
        by,
        bank_no,
        [one.item_no for one in verdicts],
        [one.reason for one in verdicts],
        [one.evidence for one in verdicts],
        [one.bank_item for one in verdicts],
        [one.version for one in verdicts],
    )
