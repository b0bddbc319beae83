"""Rules of trust, tried on a job's history before they are switched on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from litestar import Request, post
from msgspec import Meta, Struct

from gold.dry_run import DryRun, dry_run
from service import judging
from service.api.bodies import JSON, read_json
from service.api.found import find_job
from service.api.problems import Refusal, named
from service.api.routes import By, Given, JobId, about
from service.case import Case
from service.spec import TrustRules, read_spec
from service.spec_reading import wrong_rules
from service.store import answer_arrays, runs, trust
from service.store.answer_arrays import Facts
from service.store.trust import Standing

_LARGEST = 16 * 1024


class WouldSuspend(Struct, frozen=True):
    """A worker whom the rules would have suspended, and by which answer."""

    worker: str
    at: Annotated[datetime, Meta(description="when the assignment with the answer was handed in")]
    assignment: Annotated[int, Meta(description="the number that its answers have too")]
    slot: Annotated[int, Meta(description="the answer's place in it, from 1")]
    gold_right: int
    gold_total: Annotated[int, Meta(description="gold answers until then, that one among them")]
    answers_before: Annotated[int, Meta(description="answers until then, that one among them")]
    answers_after: Annotated[int, Meta(description="answers that would not have come")]
    state: Annotated[str, Meta(description="what is believed of the worker now")]
    reason: str


class RulesError(Struct, frozen=True):
    """The chance that gold alone suspends a worker of an accuracy over the gold horizon."""

    accuracy: float
    suspended: float


class DryRunView(Struct, frozen=True):
    """What rules would have done to a job's workers. Nothing is changed by it."""

    rules: TrustRules
    judged: Annotated[int, Meta(description="workers with an answer")]
    base_rate: Annotated[float, Meta(description="share of bad workers that the history implies")]
    expected_wrong: Annotated[float, Meta(description="at most so many good workers are among the suspended, expected")]
    error: list[RulesError]
    answers: Annotated[int, Meta(description="answers that were judged, gold among them")]
    answers_not_come: Annotated[int, Meta(description="answers that would not have come")]
    suspended: Annotated[list[WouldSuspend], Meta(description="the first suspension first")]


@post(
    "/jobs/{job_id:str}/trust/dry-run",
    operation_id="dryRunTrust",
    summary="Try rules of trust on a job's history",
    status_code=200,
    **about("workers:read", "not-found", "invalid-content", reads={JSON: TrustRules}, largest=_LARGEST),
)
async def dry_run_trust(request: Request[Any, Any, Any], service: Given, caller: By, job_id: JobId) -> DryRunView:
    """Say whom rules would have suspended, when, by which answer and at what error; nothing is changed.

    Rules that the body leaves out are the job's own. What people said of workers is not looked at, and the answers are
    those that came: under the rules, others would have come in place of the suspended workers' later ones.
    """
    asked = await read_json(request, TrustRules)
    given = msgspec.json.decode(await request.body())
    async with service.pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        job = await find_job(conn, caller, job_id)
        spec = read_spec(job.spec)
        own = {name: getattr(spec.trust, name) for name in TrustRules.__struct_fields__}
        rules = TrustRules(**own | {name: getattr(asked, name) for name in given})
        if wrong := list(wrong_rules(rules, len(spec.task.labels), "")):
            raise Refusal("invalid-content", f"The body is not valid: {wrong[0]}", errors=named(wrong))
        size = await runs.load_job(conn, job.job_no)
        facts = await answer_arrays.load_facts(conn, job.job_no)
        mask = await answer_arrays.gold_mask(conn, job.job_no, size.n_items, size.n_labels)
        standing = {one.worker_no: one for one in await trust.standings(conn, job.job_no)}
    case = Case.of(facts, mask, spec.task.labels, {}, size.n_workers)
    told = await asyncio.to_thread(
        dry_run,
        case.answers,
        mask,
        size.n_workers,
        judging.rules_of(rules),
        judging.consensus_of(size.n_workers),
    )
    return _view(told, rules, facts, standing)


def _view(told: DryRun, rules: TrustRules, facts: Facts, standing: Mapping[int, Standing]) -> DryRunView:
    """Show a dry run whose assignments are rows of the facts."""
    return DryRunView(
        rules=rules,
        judged=told.n_judged,
        base_rate=told.base_rate,
        expected_wrong=told.expected_wrong,
        error=[RulesError(accuracy, suspended) for accuracy, suspended in told.error],
        answers=int(facts.item.size),
        answers_not_come=sum(one.answers_after for one in told.suspended),
        suspended=[
            WouldSuspend(
                worker=standing[one.worker].worker_id,
                at=answer_arrays.BEGINNING + timedelta(microseconds=one.submitted),
                assignment=int(facts.assignment[one.assignment]),
                slot=int(facts.slot[one.assignment]),
                gold_right=one.gold_right,
                gold_total=one.gold_total,
                answers_before=one.answers_before,
                answers_after=one.answers_after,
                state=standing[one.worker].state,
                reason=one.reason,
            )
            for one in told.suspended
        ],
    )


HANDLERS = [dry_run_trust]
