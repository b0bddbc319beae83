"""Infer: one run of the consensus model over a job's answers.

Interim runs start warm from the one before, and take one climb in place of a method that makes many. The closing run,
once all is settled and closed, takes the job's own method and starts cold, so that a job's labels are a function of its
answers alone and anybody can compute them again.
"""

from __future__ import annotations

import asyncio
import warnings
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from aggregation import ConvergenceWarning, LabelTable, Result, aggregate
from foundation.ids import new_id
from service.pipeline.stage import Stage
from service.store import answer_arrays, briefs, dues, events, runs
from service.store.runs import JobToInfer, NewRun

# What interim runs take instead of a method that makes many climbs; see docs/adr/0007.
_INTERIM = {"auto": "dawid_skene", "ebcc": "dawid_skene"}
# Methods without a climb have nothing to start from.
_COUNTING = {"majority", "wawa"}
_REST = 4.0  # the next run rests for so many times the length of this one, so that a large job is not all inference
_LARGEST_MATRICES = 4_000_000  # cells of all confusion matrices that an interim run still stores

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]


async def run(stage: Stage) -> None:
    """Load the answers, infer beside the event loop, save."""
    conn, job_no = stage.conn, stage.due.subject
    started = stage.clock.now()
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        job = await runs.load_job(conn, job_no)
        item, worker, label = await answer_arrays.load(conn, job_no)
        mask = await answer_arrays.gold_mask(conn, job_no, job.n_items, job.n_labels)
        earlier = None if job.closing else await runs.last_parameters(conn, job_no, job.n_labels)
    if not item.size:
        async with conn.transaction():
            await _uncount(stage, item, started, closing=job.closing)
            await dues.finish(conn, stage.due, now=started)
        return
    table = LabelTable.from_arrays(item, worker, label, job.n_labels, n_items=job.n_items, n_workers=job.n_workers)
    kind = "closing" if job.closing else "interim"
    result = await asyncio.to_thread(infer, table, mask, job.method, earlier, interim=not job.closing)
    now = stage.clock.now()
    new = NewRun(
        run_id=new_id("run", stage.clock),
        kind=kind,
        method=result.method,
        params=dict(result.params),
        n_items=job.n_items,
        n_workers=job.n_workers,
        n_answers=int(table.label.size),
        n_iter=result.n_iter,
        converged=result.converged,
        objective=float(result.objective[-1]) if result.objective.size else None,
        prevalence=result.prevalence.tolist(),
        started_at=started,
        finished_at=now,
    )
    async with conn.transaction():
        await briefs.lock(conn, job_no)
        await _uncount(stage, item, now, closing=job.closing)
        await runs.save(
            conn,
            job_no,
            new,
            consensus=consensus_rows(table, result),
            confusion=confusion_rows(job, result, item_workers=worker),
            guidelines_no=job.guidelines_no,
            now=now,
        )
        await dues.finish(conn, stage.due, now=now, then={"decide": now})
        await dues.rest(conn, stage.due, now + _REST * (now - started))


async def _uncount(stage: Stage, item: Ints, now: datetime, *, closing: bool) -> None:
    bare = await runs.uncount(stage.conn, stage.due.subject, set(np.unique(item).tolist()), now, closing=closing)
    if bare:
        message = (
            f"settled items without an answer that weighs: {bare}, as their workers were suspended later; they keep "
            "their label, with a confidence of 0"
        )
        await events.record(stage.conn, stage.due.subject, now, "bare", message)


def infer(
    table: LabelTable,
    mask: npt.NDArray[np.bool_],
    method: str,
    earlier: tuple[Floats, Floats] | None,
    *,
    interim: bool,
) -> Result:
    """Run the model: gold clamped to its accepted labels, warm where an earlier run's parameters are given.

    Parameters
    ----------
    mask : (n_items, n_labels) bool
        Accepted labels of gold items; rows of False elsewhere.
    method : str
        The job's own; an interim run may take a faster one for it.
    earlier : (confusion (n_workers, K, K), prevalence (K,)), optional
    """
    options: dict[str, Any] = {}
    if interim:
        method = _INTERIM.get(method, method)
    if earlier is not None and method not in _COUNTING:
        confusion, prevalence = earlier
        options["start"] = Result(
            posterior=np.empty((0, prevalence.size)),
            labels=np.empty(0, dtype=np.int64),
            confusion=confusion,
            prevalence=prevalence,
            objective=np.empty(0),
            n_iter=0,
            converged=False,
            method=method,
            params={},
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the run says so itself
        return aggregate(table, method=method, gold=mask if mask.any() else None, **options)


def consensus_rows(table: LabelTable, result: Result) -> list[tuple[int, int, list[float], float, int]]:
    """Return (item_no, label, probabilities, confidence, n_answers) of each item with answers.

    Probabilities are the model's own; confidence is calibrated, as every model is too sure of itself.
    """
    counts = np.diff(table.offsets)
    chosen = np.flatnonzero(counts > 0)
    posterior = result.posterior[chosen]
    labels = result.labels[chosen]
    confidence = np.clip(result.confidence[chosen], 0.0, 1.0)
    return list(
        zip(
            chosen.tolist(),
            labels.tolist(),
            posterior.tolist(),
            confidence.tolist(),
            counts[chosen].tolist(),
            strict=True,
        )
    )


def confusion_rows(job: JobToInfer, result: Result, *, item_workers: Ints) -> list[tuple[int, list[float]]]:
    """Return (worker_no, confusion matrix row by row); none where an interim run would store too much."""
    if result.confusion is None or (not job.closing and result.confusion.size > _LARGEST_MATRICES):
        return []
    matrices: Any = result.confusion.reshape(result.confusion.shape[0], -1)
    return [(worker_no, matrices[worker_no].tolist()) for worker_no in np.unique(item_workers).tolist()]
