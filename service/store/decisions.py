"""What decide reads of a job, and how its decisions are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from service.store.dues import Connection
from service.store.plans import BY_HASH

_JOB = """
SELECT j.job_id, j.state,
    (SELECT count(*) FROM item i WHERE i.job_no = j.job_no AND i.state = 'open' AND NOT i.is_gold) AS open_items,
    (SELECT count(*) FROM effect e WHERE e.job_no = j.job_no AND e.state IN ('due', 'parked')) AS open_effects,
    (SELECT r.kind = 'closing' FROM run r WHERE r.job_no = j.job_no ORDER BY r.run_no DESC LIMIT 1) AS closing_run,
    EXISTS (SELECT FROM counting_answer a WHERE a.job_no = j.job_no) AS has_answers,
    j.gate_id IS NOT NULL AS gated, j.budget_cents - j.reserved_cents - j.spent_cents AS free_cents,
    j.job_no <> ALL (SELECT d.subject FROM due d WHERE d.stage = 'score' AND d.finished < d.wanted) AS scored,
    j.job_no <> ALL (SELECT d.subject FROM due d WHERE d.stage = 'infer' AND d.finished < d.wanted) AS inferred,
    coalesce(j.weighed_at > (SELECT max(r.started_at) FROM run r WHERE r.job_no = j.job_no), false) AS reweighed
FROM job j WHERE j.job_no = $1
"""
_HITS = """
SELECT h.hit_no, h.state, h.wanted, h.slots, h.collected, h.reviewed, h.pending, h.listed_at IS NOT NULL AS listed,
    coalesce(h.expires_at <= $2, false) AS expired,
    EXISTS (SELECT FROM effect e WHERE e.job_no = h.job_no AND e.hit_no = h.hit_no AND e.assignment_no IS NULL
            AND e.state IN ('due', 'parked')) AS busy,
    h.unit_cents, h.replaced, h.offered,
    (SELECT count(*) FROM assignment a JOIN job_worker w USING (job_no, worker_no)
     WHERE a.job_no = h.job_no AND a.hit_no = h.hit_no
       AND (a.state = 'rejected' OR (a.state <> 'stray'
            AND (a.submitted_at, a.market_assignment_id) >= (w.void_from, w.void_assignment)))) AS lost
FROM hit h WHERE h.job_no = $1 AND h.state <> 'closed' ORDER BY h.hit_no
"""
# Counted apart and put together here: for the planner, one statement was too much (see `plans`).
_COUNTED = "SELECT item_no, count(DISTINCT worker_no) FROM counting_answer WHERE job_no = $1 GROUP BY item_no"
_ITEMS = """
SELECT i.item_no, s.hit_no, i.minimum, i.maximum, i.target, c.confidence, coalesce(c.n_answers, 0) AS inferred_from
FROM item i JOIN hit_slot s ON s.job_no = i.job_no AND s.item_no = i.item_no AND NOT s.gone
LEFT JOIN consensus c ON c.job_no = i.job_no AND c.item_no = i.item_no
WHERE i.job_no = $1 AND i.state = 'open' AND NOT i.is_gold ORDER BY i.item_no
"""
# A worker whom the gate does not hold as their state says, and about whom nothing is on its way.
_OUT_OF_STEP = """
SELECT w.worker_no, w.trust_state = 'suspended' OR w.resting FROM job_worker w
WHERE w.job_no = $1 AND w.barred <> (w.trust_state = 'suspended' OR w.resting)
  AND NOT EXISTS (SELECT FROM effect e WHERE e.job_no = w.job_no AND e.worker_no = w.worker_no
                  AND e.state IN ('due', 'parked'))
ORDER BY w.worker_no
"""
_SETTLE = """
WITH settled AS (
    UPDATE item SET state = 'settled', settled_by = s.by, settled_at = $2
    FROM unnest($3::int4[], $4::text[]) AS s (item_no, by)
    WHERE item.job_no = $1 AND item.item_no = s.item_no AND item.state = 'open'
    RETURNING item.item_no
), revised AS (
    UPDATE consensus c SET revision = c.revision + 1 FROM settled s WHERE c.job_no = $1 AND c.item_no = s.item_no
    RETURNING c.item_no, c.revision, c.run_no, c.label, c.confidence, c.n_answers
)
INSERT INTO consensus_history (job_no, item_no, revision, at, run_no, label, confidence, n_answers, state)
SELECT $1, item_no, revision, $2, run_no, label, confidence, n_answers, 'settled' FROM revised
"""
_END = """
UPDATE job SET state = $2, ended_at = $3 WHERE job_no = $1 AND state = $4 AND reserved_cents = 0
  AND NOT EXISTS (SELECT FROM hit h WHERE h.job_no = $1 AND h.state <> 'closed')
  AND ($4 <> 'running' OR NOT EXISTS (SELECT FROM item i WHERE i.job_no = $1 AND i.state = 'open' AND NOT i.is_gold))
"""
_PAUSE = "UPDATE job SET state = 'paused', pause_reason = $2 WHERE job_no = $1 AND state = 'running' RETURNING true"


class JobState(Struct, frozen=True):
    """A job as decide sees it.

    closing_run: the newest run was the last; gated: its HITs exclude suspended workers; scored: its workers are judged
    by all that is known; inferred: and no run is wanted since; reweighed: answers' weights changed since
    the newest run began.
    """

    job_id: str
    state: str
    open_items: int
    open_effects: int
    closing_run: bool | None
    has_answers: bool
    gated: bool = False
    free_cents: int = 0
    scored: bool = True
    inferred: bool = True
    reweighed: bool = False


class HitState(Struct, frozen=True):
    """A HIT as decide sees it. listed: we know what is pending; busy: an effect of its own is on its way.

    lost: assignments that carry no weight; replaced: slots that were added for such. offered: what others extended it
    to, where that is more than was wanted then.
    """

    hit_no: int
    state: str
    wanted: int
    slots: int
    collected: int
    reviewed: int
    pending: int
    listed: bool
    expired: bool
    busy: bool
    unit_cents: int = 0
    replaced: int = 0
    offered: int = 0
    lost: int = 0


class ItemState(Struct, frozen=True):
    """An open item of a HIT as decide sees it. fresh: its consensus counts all of its answers."""

    item_no: int
    hit_no: int
    minimum: int
    maximum: int
    target: float
    n_answers: int
    confidence: float | None
    fresh: bool


async def load(
    conn: Connection, job_no: int, now: datetime
) -> tuple[JobState, list[HitState], list[ItemState], list[tuple[int, bool]]]:
    """Return a job, its HITs that are not closed, its open items that stand in a HIT, and whom the gate has wrong.

    The last are (worker_no, whether to be barred).
    """
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        job = JobState(*await conn.fetchrow(_JOB, job_no))
        hits = [HitState(*row) for row in await conn.fetch(_HITS, job_no, now)]
        out_of_step = [(row[0], row[1]) for row in await conn.fetch(_OUT_OF_STEP, job_no)] if job.gated else []
        await conn.execute(BY_HASH)
        rows = await conn.fetch(_ITEMS, job_no)
        counted: dict[int, int] = dict(await conn.fetch(_COUNTED, job_no))
        items = [_item(row, counted.get(row["item_no"], 0), reweighed=job.reweighed) for row in rows]
    return job, hits, items, out_of_step


def _item(row: Mapping[str, Any], n_answers: int, *, reweighed: bool) -> ItemState:
    as_many: bool = row["inferred_from"] == n_answers
    return ItemState(
        item_no=row["item_no"],
        hit_no=row["hit_no"],
        minimum=row["minimum"],
        maximum=row["maximum"],
        target=row["target"],
        n_answers=n_answers,
        confidence=row["confidence"],
        fresh=as_many and not (reweighed and n_answers),
    )


async def settle(conn: Connection, job_no: int, settled: Sequence[tuple[int, str]], now: datetime) -> None:
    """Settle items: (item_no, by). A settled item's consensus gets a revision of its own."""
    if settled:
        await conn.execute(_SETTLE, job_no, now, *map(list, zip(*settled, strict=True)))


async def end(conn: Connection, job_no: int, *, was: str, becomes: str, now: datetime) -> bool:
    """End a job that owes nothing."""
    return bool((await conn.execute(_END, job_no, becomes, now, was)) == "UPDATE 1")


async def pause(conn: Connection, job_no: int, reason: str) -> bool:
    """Pause a running job; False where it was not running."""
    return bool(await conn.fetchval(_PAUSE, job_no, reason))
