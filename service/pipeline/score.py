"""Score: what each worker made of the gold that they met."""

from __future__ import annotations

import numpy as np

from aggregation import LabelTable
from gold.score import score
from service.pipeline.stage import Stage
from service.store import answer_arrays, dues, runs, scores


async def run(stage: Stage) -> None:
    """Count each worker's right and all gold answers afresh: a gold item that was corrected leaves no trace."""
    conn, job_no = stage.conn, stage.due.subject
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        job = await runs.load_job(conn, job_no)
        facts = await answer_arrays.load_facts(conn, job_no)
        mask = await answer_arrays.gold_mask(conn, job_no, job.n_items, job.n_labels)
    table = LabelTable.from_arrays(
        facts.item, facts.worker, facts.label, job.n_labels, n_items=job.n_items, n_workers=job.n_workers
    )
    scored = score(table, mask)
    workers = np.arange(job.n_workers)
    async with conn.transaction():
        await scores.save(conn, job_no, workers.tolist(), scored.right.tolist(), scored.total.tolist())
        await dues.finish(conn, stage.due, now=stage.clock.now())
