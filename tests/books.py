"""The books of service and marketplace, side by side: what has to be true of both after whatever has happened.

Reads both schemas by SQL, in one database or in two, and knows neither's code, so that a fault of either shows. Each
discrepancy is a sentence that names its rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg

from tests.marketplace.audit import audit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Rows = list[Any]

_JOBS = """
SELECT job_no, job_id, state, budget_cents, reserved_cents, spent_cents FROM job WHERE state <> 'draft' ORDER BY job_no
"""
_MONEY = "SELECT job_no, kind, sum(cents)::int8 AS cents FROM money GROUP BY 1, 2"
_PAID_TWICE = """
SELECT job_id, market_assignment_id, count(*) AS n FROM money m JOIN assignment a USING (job_no, assignment_no)
JOIN job USING (job_no) WHERE m.kind = 'spend' GROUP BY 1, 2 HAVING count(*) > 1
"""
_HITS = """
SELECT job_no, job_id || '/' || hit_no AS annotation, hit.state, market_hit_id,
    (SELECT count(*) FROM hit_slot s WHERE s.job_no = hit.job_no AND s.hit_no = hit.hit_no) AS size
FROM hit JOIN job USING (job_no)
"""
_ASSIGNMENTS = """
SELECT a.job_no, job_id || '/' || a.hit_no AS annotation, market_assignment_id, market_worker_id, a.state, problem, raw,
    (SELECT count(*) FROM answer n WHERE n.job_no = a.job_no AND n.assignment_no = a.assignment_no) AS answers,
    EXISTS (SELECT FROM money m WHERE m.job_no = a.job_no AND m.assignment_no = a.assignment_no AND m.kind = 'spend')
        AS is_paid
FROM assignment a JOIN job USING (job_no) JOIN job_worker USING (job_no, worker_no) JOIN worker USING (worker_id)
"""
_LEFT = """
SELECT job_id,
    (SELECT count(*) FROM item i WHERE i.job_no = j.job_no AND i.state = 'open' AND NOT i.is_gold) AS items,
    (SELECT count(*) FROM hit h WHERE h.job_no = j.job_no AND h.state <> 'closed') AS hits,
    (SELECT count(*) FROM effect e WHERE e.job_no = j.job_no AND e.state IN ('due', 'parked')) AS effects,
    (SELECT count(*) FROM item i JOIN answer n USING (job_no, item_no) JOIN assignment a USING (job_no, assignment_no)
     LEFT JOIN consensus c USING (job_no, item_no)
     WHERE i.job_no = j.job_no AND a.state <> 'rejected' AND c.item_no IS NULL) AS unlabelled
FROM job j WHERE j.job_no = $1
"""
_MARKET_HITS = "SELECT hit_id, annotation, disposed_at IS NOT NULL AS is_gone, held_cents FROM hit"
_MARKET_ASSIGNMENTS = """
SELECT annotation, assignment_id, worker_id, state, answer,
    (SELECT coalesce(sum(amount_cents), 0)::int8 FROM ledger WHERE ledger.assignment_id = assignment.assignment_id
     AND entry IN ('reward', 'fee')) AS paid_cents
FROM assignment JOIN hit USING (hit_id) WHERE assignment.state IN ('submitted', 'approved', 'rejected')
"""
_ENDED = ("done", "cancelled")


async def books(service_dsn: str, marketplace_dsn: str) -> list[str]:
    """Compare the books of service and marketplace; returns what does not agree, nothing where all is well.

    May be asked at any moment when no stage is in the middle of its work. Of a job that has ended it asks more: that
    nothing is open on either side.
    """
    mine = await _read(service_dsn, "assay", _JOBS, _MONEY, _PAID_TWICE, _HITS, _ASSIGNMENTS)
    jobs, money, twice, hits, assignments = mine
    market_hits, market_assignments = await _read(marketplace_dsn, "marketplace", _MARKET_HITS, _MARKET_ASSIGNMENTS)
    ended = {row["job_no"] for row in jobs if row["state"] in _ENDED}
    found = [
        f"the marketplace's own books do not add up: {kind}: {rows}" for kind, rows in await _audit(marketplace_dsn)
    ]
    found += [f"{row['market_assignment_id']} of {row['job_id']} is booked as paid {row['n']} times" for row in twice]
    found += _compare_hits(hits, market_hits, ended, {row["job_id"] for row in jobs})
    found += _compare_assignments(hits, assignments, market_assignments, ended)
    for job in jobs:
        found += _compare_money(job, money, assignments, market_assignments, market_hits)
    for job_no in sorted(ended):
        [[left]] = await _read(service_dsn, "assay", (_LEFT, job_no))
        done = next(row["state"] for row in jobs if row["job_no"] == job_no) == "done"
        for what in ("items", "hits", "effects", "unlabelled") if done else ("hits", "effects"):
            if left[what]:
                found.append(f"{left['job_id']} has ended with {left[what]} {what} left")
    return found


async def _read(dsn: str, schema: str, *queries: str | tuple[Any, ...]) -> list[Rows]:
    """Run queries as of one moment."""
    conn = await asyncpg.connect(dsn, server_settings={"search_path": schema})
    try:
        async with conn.transaction(isolation="repeatable_read", readonly=True):
            return [await conn.fetch(*((query,) if isinstance(query, str) else query)) for query in queries]
    finally:
        await conn.close()


async def _audit(marketplace_dsn: str) -> Iterable[tuple[str, Any]]:
    conn = await asyncpg.connect(marketplace_dsn, server_settings={"search_path": "marketplace"})
    try:
        return (await audit(conn)).items()
    finally:
        await conn.close()


def _compare_hits(hits: Rows, market_hits: Rows, ended: set[int], job_ids: set[str]) -> Iterator[str]:
    ours = [row for row in market_hits if (row["annotation"] or "").partition("/")[0] in job_ids]
    by_annotation: dict[str, list[str]] = {}
    for row in ours:
        by_annotation.setdefault(row["annotation"], []).append(row["hit_id"])
    for annotation, hit_ids in by_annotation.items():
        if len(hit_ids) > 1:
            yield f"{annotation} stands on the market {len(hit_ids)} times: {', '.join(sorted(hit_ids))}"
    market = {row["hit_id"]: row for row in market_hits}
    known = {row["market_hit_id"] for row in hits}
    over = {row["annotation"].partition("/")[0] for row in hits if row["job_no"] in ended}
    for row in ours:
        # Before its job ends, a HIT may have been made whose answer is still on its way to us.
        if row["hit_id"] not in known and row["annotation"].partition("/")[0] in over:
            yield f"{row['hit_id']} stands on the market for {row['annotation']}, and the service does not know it"
    for row in hits:
        there = market.get(row["market_hit_id"])
        if row["market_hit_id"] is not None and (there is None or there["annotation"] != row["annotation"]):
            yield f"{row['annotation']} is said to be {row['market_hit_id']}, which the market does not say"
        elif there is not None and row["job_no"] in ended and not there["is_gone"]:
            yield f"{row['annotation']} is still on the market as {row['market_hit_id']}, and its job has ended"


def _compare_assignments(hits: Rows, stored: Rows, market: Rows, ended: set[int]) -> Iterator[str]:
    hit_of = {row["annotation"]: row for row in hits}
    # The same assignment under a second worker is kept, and weighs nothing: see docs/faults.md.
    taken = {row["market_assignment_id"]: row for row in stored if row["state"] != "stray"}
    handed_in = {row["assignment_id"]: row for row in market}
    for id_, there in handed_in.items():
        hit = hit_of.get(there["annotation"])
        if hit is not None and hit["job_no"] in ended:
            if id_ not in taken:
                yield f"{id_} of {there['annotation']} was handed in, and the service does not have it"
            if there["state"] == "submitted":
                yield f"{id_} of {there['annotation']} waits for its review, and its job has ended"
    for id_, row in taken.items():
        if id_ in handed_in:
            yield from _compare_assignment(row, handed_in[id_], hit_of[row["annotation"]]["size"])
        else:
            yield f"{id_} of {row['annotation']} was never handed in, and the service has it"
    for row in stored:
        if row["state"] == "stray" and (row["is_paid"] or row["answers"] or row["problem"] is None):
            yield f"{row['market_assignment_id']} under a second worker is paid, weighs something or is not explained"


def _compare_assignment(row: Any, there: Any, size: int) -> Iterator[str]:
    id_ = row["market_assignment_id"]
    if row["state"] not in ("submitted", there["state"]):
        yield f"{id_} is {row['state']} in the service and {there['state']} on the market"
    if row["is_paid"] != (row["state"] == "approved"):
        yield f"{id_} is {row['state']}, and is{'' if row['is_paid'] else ' not'} booked as paid"
    if row["problem"] is not None:
        return  # it says itself what is wrong
    if row["market_worker_id"] != there["worker_id"]:
        yield f"{id_} is {there['worker_id']}'s, and the service takes it for {row['market_worker_id']}'s"
    if row["raw"] != there["answer"]:
        yield f"{id_} came in with other words than were handed in, and nothing is said of it"
    if row["answers"] != size:
        yield f"{id_} has {row['answers']} of {size} answers, and nothing is said of it"


def _compare_money(job: Any, money: Rows, stored: Rows, market: Rows, market_hits: Rows) -> Iterator[str]:
    name = job["job_id"]
    booked = {row["kind"]: row["cents"] for row in money if row["job_no"] == job["job_no"]}
    reserve, spend, release = (booked.get(kind, 0) for kind in ("reserve", "spend", "release"))
    if (reserve - spend - release, spend) != (job["reserved_cents"], job["spent_cents"]):
        yield f"{name} says {job['reserved_cents']} reserved and {job['spent_cents']} spent, its entries {booked}"
    paid = {row["assignment_id"]: row["paid_cents"] for row in market if _job_of(row) == name}
    approved = {row["market_assignment_id"] for row in stored if row["job_no"] == job["job_no"] and row["is_paid"]}
    known_paid = sum(cents for id_, cents in paid.items() if id_ in approved)
    if known_paid != job["spent_cents"]:
        yield f"{name} has booked {job['spent_cents']} cents for work that the market was paid {known_paid} for"
    if job["state"] in _ENDED and sum(paid.values()) != job["spent_cents"]:
        yield f"the market was paid {sum(paid.values())} cents for {name}, which has booked {job['spent_cents']}"
    held = sum(row["held_cents"] for row in market_hits if _job_of(row) == name)
    if sum(paid.values()) + held > job["budget_cents"]:
        yield f"{name} has {sum(paid.values())} cents paid and {held} held, over its budget of {job['budget_cents']}"
    if job["state"] in _ENDED and job["reserved_cents"]:
        yield f"{name} has ended with {job['reserved_cents']} cents reserved"


def _job_of(row: Any) -> str:
    return (row["annotation"] or "").partition("/")[0]


def report(found: Sequence[str]) -> str:
    """Return discrepancies as the message of an assertion."""
    return "\n".join(found)
