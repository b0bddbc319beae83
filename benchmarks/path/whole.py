"""The whole path: jobs from upload to done, with a crowd, and who used the CPU."""

from __future__ import annotations

import os
import time
from typing import Any

import asyncpg

from benchmarks.path import jobs
from benchmarks.path.crowd import Crowd, at_work
from benchmarks.path.works import Works

_BOOKS = """
SELECT
    (SELECT count(*) FROM marketplace.assignment WHERE state IN ('submitted', 'approved')) AS submitted,
    (SELECT count(*) FROM marketplace.assignment WHERE state = 'approved') AS approved,
    (SELECT count(*) FROM assay.assignment) AS collected,
    (SELECT count(*) FROM assay.answer) AS answers,
    (SELECT coalesce(sum(amount_cents), 0)::int8 FROM marketplace.ledger WHERE entry IN ('reward', 'fee'))
        AS market_paid_cents,
    (SELECT coalesce(sum(spent_cents), 0)::int8 FROM assay.job) AS spent_cents,
    (SELECT coalesce(sum(reserved_cents), 0)::int8 FROM assay.job) AS reserved_cents
"""


async def run(works: Works, workers: int, *, items: int, bundle: int, redundancy: int) -> dict[str, Any]:
    """Send as many jobs as there are workers through the whole path; `items` is their number in all jobs."""
    conn = await asyncpg.connect(works.dsn)
    crowd = Crowd(works.dsn, works.market, slots=bundle, labels=len(jobs.LABELS))
    try:
        async with crowd:
            with works.work(workers):
                before, crowd_before = works.cpu(), crowd.cpu()
                started, own = time.monotonic(), time.process_time()
                async with at_work(crowd) as working:
                    job_ids = [
                        jobs.upload(works, items=items // workers, bundle=bundle, redundancy=redundancy)
                        for _ in range(workers)
                    ]
                    for job_id in job_ids:
                        jobs.launch(works, job_id)
                    await jobs.until_done(conn, job_ids, working)
                seconds, own = time.monotonic() - started, time.process_time() - own
                after, of_crowd = works.cpu(), crowd.cpu() - crowd_before
                stages, calls = works.stages(), works.market_calls()
        answers = await conn.fetchval(
            "SELECT count(*) FROM assay.answer JOIN assay.job USING (job_no) WHERE job_id = ANY($1::text[])", job_ids
        )
        books = dict(await conn.fetchrow(_BOOKS))
    finally:
        await conn.close()
    used = {name: after[name] - before[name] for name in after}
    used["postgres"] -= of_crowd
    total = sum(used.values())
    return {
        "jobs": workers,
        "answers": answers,
        "assignments": crowd.submitted,
        "seconds": round(seconds, 2),
        "answers_per_second": round(answers / seconds, 1),
        "cpu_seconds": {name: round(value, 2) for name, value in used.items()},
        "crowd_cpu_seconds": round(own + of_crowd, 2),
        "cpu_ms_per_answer": round(1000 * total / answers, 3),
        "cores_used": round((total + own + of_crowd) / seconds, 2),
        "cores": os.cpu_count(),
        "shares": {name: round(value / total, 3) for name, value in used.items()},
        "stage_seconds": {name: round(value, 2) for name, value in sorted(stages.items())},
        "boto3_cpu_seconds": {name: round(value, 2) for name, value in sorted(calls.items())},
        "books": check(books),
    }


def check(books: dict[str, int]) -> dict[str, int]:
    """Hold the books of marketplace and service against each other.

    Raises
    ------
    SystemExit
        Where an answer was lost, or a cent is not where it should be.
    """
    all_paid = books["submitted"] == books["approved"] == books["collected"]
    if not all_paid or books["market_paid_cents"] != books["spent_cents"] or books["reserved_cents"]:
        raise SystemExit(f"the books do not balance: {books}")
    return books
