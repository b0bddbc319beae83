"""HITs posted a second, by Assay and by bare boto3, against the same server with the same bodies."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import Any

import asyncpg

from benchmarks.path import jobs
from benchmarks.path.works import Works
from foundation.settings import PipelineSettings

_POSTED = """
SELECT count(*) FILTER (WHERE e.state = 'done') AS posted,
       count(*) FILTER (WHERE e.state = 'done') = count(*) AND count(*) >= $2 AS all_posted,
       extract(epoch FROM max(e.ended_at) - min(e.first_sent_at))::float8 AS seconds
FROM assay.effect e JOIN assay.job USING (job_no) WHERE job_id = $1 AND kind = 'create'
"""
_BODIES = """
SELECT question, max_assignments, hit_type_id, annotation FROM marketplace.hit
WHERE annotation LIKE $1 || '/%' ORDER BY hit_no
"""
_LIFETIME = 604_800
_POLL_SECONDS = 0.05
THREADS = PipelineSettings().effects_in_flight


async def run(works: Works, *, hits: int, bundle: int, redundancy: int, rounds: int) -> tuple[dict[str, Any], str]:
    """Let the two take turns; returns the report, and the last job that Assay posted."""
    conn = await asyncpg.connect(works.dsn)
    ours = bare = 0.0
    job_id = ""
    try:
        for _ in range(rounds):
            job_id = jobs.upload(works, items=hits * bundle, bundle=bundle, redundancy=redundancy)
            with works.work(1):
                jobs.launch(works, job_id)
                ours += await _until_posted(conn, job_id, hits)
            bare += await _post_bare(works, conn, job_id)
    finally:
        await conn.close()
    report = {
        "hits": hits * rounds,
        "threads": THREADS,
        "assay_per_second": round(hits * rounds / ours, 1),
        "boto3_per_second": round(hits * rounds / bare, 1),
        "ratio": round(bare / ours, 3),
    }
    return report, job_id


async def _until_posted(conn: asyncpg.Connection, job_id: str, hits: int) -> float:
    """Wait for the last HIT; returns the seconds from the first sent to the last known to be there."""
    while True:
        row = await conn.fetchrow(_POSTED, job_id, hits)
        if row["all_posted"]:
            seconds: float = row["seconds"]
            return seconds
        await asyncio.sleep(_POLL_SECONDS)


async def _post_bare(works: Works, conn: asyncpg.Connection, job_id: str) -> float:
    """Post the bodies that Assay has just posted once more, from a process that does nothing else."""
    rows = [dict(row) for row in await conn.fetch(_BODIES, job_id)]
    plan = {
        **works.keys,
        "endpoint": works.market,
        "threads": THREADS,
        "lifetime": _LIFETIME,
        "hit_type_id": rows[0]["hit_type_id"],
        "hits": [row | {"annotation": f"bare {number}"} for number, row in enumerate(rows)],
    }
    command = (sys.executable, "-m", "benchmarks.path.bare")
    process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    output, _ = await process.communicate(json.dumps(plan).encode())
    if process.returncode:
        raise SystemExit("the bare loop failed; what it says is above")
    seconds: float = json.loads(output)["seconds"]
    return seconds
