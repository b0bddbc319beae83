"""What the stages read of a job before they work on it."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from service.store.dues import Connection

_LOAD = """
SELECT j.job_no, j.job_id, j.state, j.spec, j.guidelines_no, j.market_no, m.name
FROM job j JOIN market m USING (market_no) WHERE j.job_no = $1
"""
_LOCK = "SELECT state FROM job WHERE job_no = $1 FOR NO KEY UPDATE"


class Brief(Struct, frozen=True):
    """A job as a stage needs it."""

    job_no: int
    job_id: str
    state: str
    spec: dict[str, Any]
    guidelines_no: int
    market_no: int
    market: str

    @property
    def running(self) -> bool:
        """Whether new work may be posted."""
        return self.state == "running"


async def load(conn: Connection, job_no: int) -> Brief:
    """Return a job's brief."""
    return Brief(*await conn.fetchrow(_LOAD, job_no))


async def lock(conn: Connection, job_no: int) -> str:
    """Lock a job's row and return its state. What changes a job takes this lock first, then its HITs, then dues."""
    state: str = await conn.fetchval(_LOCK, job_no)
    return state
