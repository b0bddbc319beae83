"""The gate of a job: a qualification on its market that its HITs exclude, and whom it keeps out."""

from __future__ import annotations

from collections.abc import Sequence

from service.store.dues import Connection

_FIND = "SELECT gate_id FROM job WHERE job_no = $1"
_KEEP = "UPDATE job SET gate_id = $2 WHERE job_no = $1"
_MARKET_WORKERS = """
SELECT w.worker_no, k.market_worker_id FROM job_worker w JOIN worker k USING (worker_id)
WHERE w.job_no = $1 AND w.worker_no = ANY($2::int4[])
"""
_KNOWN = "UPDATE job_worker SET barred = $3 WHERE job_no = $1 AND worker_no = ANY($2::int4[])"


async def find(conn: Connection, job_no: int) -> str | None:
    """Return the id of the job's qualification on its market, if it has been made."""
    gate_id: str | None = await conn.fetchval(_FIND, job_no)
    return gate_id


async def keep(conn: Connection, job_no: int, gate_id: str) -> None:
    """Keep the id of the job's qualification."""
    await conn.execute(_KEEP, job_no, gate_id)


async def market_workers(conn: Connection, job_no: int, worker_nos: Sequence[int]) -> dict[int, str]:
    """Return who workers are on the market."""
    return {row[0]: row[1] for row in await conn.fetch(_MARKET_WORKERS, job_no, list(worker_nos))}


async def known(conn: Connection, job_no: int, worker_nos: Sequence[int], *, barred: bool) -> None:
    """Save that the market keeps workers out, or lets them in."""
    if worker_nos:
        await conn.execute(_KNOWN, job_no, list(worker_nos), barred)
