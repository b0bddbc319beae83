"""Jobs: their spec, state and money."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct

from service.estimate import Alike
from service.lifecycle import State
from service.store.dues import Connection

_COLUMNS = """
j.job_no, j.job_id, j.name, m.name AS market, j.state, j.pause_reason, j.spec, j.budget_cents, j.reserved_cents,
j.spent_cents, j.created_at, j.launched_at, j.ended_at
"""
_INSERT = """
INSERT INTO job (job_id, team_id, market_no, name, spec, n_labels, state, budget_cents, created_at)
VALUES ($1, $2, $3, $4, $5, $6, 'draft', $7, $8) RETURNING job_no
"""
_GET = f"SELECT {_COLUMNS} FROM job j JOIN market m USING (market_no) WHERE j.team_id = $1 AND j.job_id = $2"  # noqa: S608
_LOCK = f"{_GET} FOR UPDATE OF j"
_PAGE = f"""
SELECT {_COLUMNS} FROM job j JOIN market m USING (market_no)
WHERE j.team_id = $1 AND j.job_no < $2 AND ($3::text IS NULL OR j.state = $3) ORDER BY j.job_no DESC LIMIT $4
"""  # noqa: S608
_SET_STATE = """
UPDATE job SET state = $2, pause_reason = $3,
    launched_at = CASE WHEN $2 = 'running' THEN coalesce(launched_at, $4) ELSE launched_at END,
    ended_at = CASE WHEN $2 = 'cancelled' THEN $4 END
WHERE job_no = $1
"""
_SET_BUDGET = """
UPDATE job SET budget_cents = $2, spec = jsonb_set(spec, '{budget}', to_jsonb($3::text)) WHERE job_no = $1
"""
_SET_TRUST = "UPDATE job SET spec = jsonb_set(spec, '{trust}', $2) WHERE job_no = $1"
# In the order in which hits.unsliced takes them: a HIT's redundancy is the largest among its items.
_UNSLICED = """
SELECT greatest(1, i.minimum - coalesce(b.n, 0)), greatest(1, i.maximum - coalesce(b.n, 0)), count(*)
FROM item i LEFT JOIN answered_before b USING (job_no, item_no)
WHERE i.job_no = $1 AND NOT i.is_gold AND i.state = 'open'
  AND NOT EXISTS (SELECT FROM hit_slot s WHERE s.job_no = i.job_no AND s.item_no = i.item_no AND NOT s.gone)
GROUP BY i.priority, i.maximum, i.minimum, i.batch, b.n
ORDER BY i.priority DESC, i.maximum, i.minimum, i.batch NULLS FIRST
"""


class Job(Struct, frozen=True):
    """A job as the API sees it."""

    job_no: int
    job_id: str
    name: str
    market: str
    state: State
    pause_reason: str | None
    spec: dict[str, Any]
    budget_cents: int
    reserved_cents: int
    spent_cents: int
    created_at: datetime
    launched_at: datetime | None
    ended_at: datetime | None

    @property
    def free_cents(self) -> int:
        """What of the budget is neither spent nor promised."""
        return self.budget_cents - self.reserved_cents - self.spent_cents


async def insert(
    conn: Connection,
    *,
    job_id: str,
    team_id: str,
    market_no: int,
    name: str,
    spec: dict[str, Any],
    n_labels: int,
    budget_cents: int,
    at: datetime,
) -> int:
    """Store a new job, as a draft, and return its number."""
    job_no: int = await conn.fetchval(_INSERT, job_id, team_id, market_no, name, spec, n_labels, budget_cents, at)
    return job_no


async def get(conn: Connection, team_id: str, job_id: str) -> Job | None:
    """Return a team's job; another team's is none."""
    row = await conn.fetchrow(_GET, team_id, job_id)
    return Job(*row) if row else None


async def lock(conn: Connection, team_id: str, job_id: str) -> Job | None:
    """Return a team's job, locked until the transaction ends."""
    row = await conn.fetchrow(_LOCK, team_id, job_id)
    return Job(*row) if row else None


async def page(conn: Connection, team_id: str, *, before: int, state: str | None, limit: int) -> list[Job]:
    """Return a team's jobs, the newest first."""
    return [Job(*row) for row in await conn.fetch(_PAGE, team_id, before, state, limit)]


async def set_state(conn: Connection, job_no: int, state: State, *, pause_reason: str | None, at: datetime) -> None:
    """Move a locked job to another state."""
    await conn.execute(_SET_STATE, job_no, state, pause_reason, at)


async def set_budget(conn: Connection, job_no: int, cents: int, text: str) -> None:
    """Change a locked job's budget limit, in its spec too."""
    await conn.execute(_SET_BUDGET, job_no, cents, text)


async def set_trust(conn: Connection, job_no: int, trust: dict[str, Any]) -> None:
    """Change the rules of trust in a locked job's spec."""
    await conn.execute(_SET_TRUST, job_no, trust)


async def unsliced(conn: Connection, job_no: int) -> list[Alike]:
    """Return the items that stand in no HIT yet, counted by redundancy, in the order in which slice takes them."""
    return [Alike(*row) for row in await conn.fetch(_UNSLICED, job_no)]
