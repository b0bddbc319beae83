"""Gold that may be wrong or known, and label values that the consensus gets wrong: for a person to look at."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from litestar import get
from msgspec import Meta, Struct

from gold.flags import Flag
from service import flagging
from service.api.found import find_job
from service.api.routes import By, Given, JobId, about
from service.app import Service
from service.case import Bools, Case
from service.flagging import Found
from service.spec import read_spec
from service.store import answer_arrays, items, runs, trust
from service.store.jobs import Job

Kind: TypeAlias = Literal["missed", "leaked", "same_wrong_answer", "contradicted"]

_ADVICE: dict[str, str] = {
    "missed": "Look at it: correct what it accepts, with a reason, or exclude it.",
    "leaked": "Retire it, and look whether gold that came with it is flagged too.",
    "same_wrong_answer": "Look at it: accept the answer if it is right; if not, look at who gave it.",
    "contradicted": "Look at it: correct what it accepts, or exclude it; if it is right, the crowd needs guidelines.",
}


class GoldFlag(Struct, frozen=True):
    """One finding against a gold item, with its evidence; it changes nothing by itself."""

    external_id: str
    kind: Kind
    statistic: Annotated[float, Meta(description="the figure that the finding rests on")]
    p_value: Annotated[float, Meta(description="the chance of a figure as extreme, were the gold sound")]
    adjusted: Annotated[float, Meta(description="the share of false findings among all that are as sure as this one")]
    reason: str
    advice: str
    accepted: list[str]
    answers: Annotated[dict[str, int], Meta(description="by label value, of workers who are not suspended")]


class LabelAlarm(Struct, frozen=True):
    """A label value whose gold the consensus, without knowing it, gets right less often than it claims."""

    label: str
    overclaimed: Annotated[float, Meta(description="confidence claimed less share right, over its gold")]
    p_value: float
    adjusted: float
    reason: Annotated[str, Meta(description="what was seen, and what to do")]


class GoldFlags(Struct, frozen=True):
    """What is flagged, the surest of each kind first."""

    tested: Annotated[int, Meta(description="gold items in force with an answer")]
    gold: list[GoldFlag]
    bias: list[LabelAlarm]


@get(
    "/jobs/{job_id:str}/gold/flags",
    operation_id="flagGold",
    summary="See which gold is suspicious",
    **about("jobs:read", "not-found"),
)
async def flag_gold(service: Given, caller: By, job_id: JobId) -> GoldFlags:
    """Test a job's gold on its answers as they are now: missed, contradicted, leaked, missed alike by many.

    About one in twenty of what is flagged is flagged for nothing, so a person decides. Beside it stands the bias
    alarm: label values that the consensus gets wrong on gold more often than its confidence says.
    """
    async with service.pool.acquire() as conn:
        job = await find_job(conn, caller, job_id)
    return await service.reports(("flags", job.job_no), lambda: _flag(service, job))


async def _flag(service: Service, job: Job) -> GoldFlags:
    async with service.pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        size = await runs.load_job(conn, job.job_no)
        facts = await answer_arrays.load_facts(conn, job.job_no)
        mask = await answer_arrays.gold_mask(conn, job.job_no, size.n_items, size.n_labels)
        standing = await trust.standings(conn, job.job_no)
    case = Case.of(facts, mask, read_spec(job.spec).task.labels, {}, size.n_workers)
    suspended = np.zeros(size.n_workers, dtype=bool)
    suspended[[one.worker_no for one in standing if one.state == "suspended"]] = True
    found = await asyncio.to_thread(flagging.flag, case, suspended)
    async with service.pool.acquire() as conn:
        ids = await items.external_ids(conn, job.job_no, sorted({one.subject for one in found.gold}))
    return _view(case, found, ids)


def _view(case: Case, found: Found, ids: dict[int, str]) -> GoldFlags:
    return GoldFlags(
        tested=tested(case.accepted, found),
        gold=[
            GoldFlag(**flag_of(one, ids[one.subject], case.accepted, found, case.labels), advice=_ADVICE[one.kind])
            for one in found.gold
        ],
        bias=label_alarms(found, case.labels),
    )


def tested(accepted: Bools, found: Found) -> int:
    """Count the gold items that an answer was given to."""
    return int((accepted.any(axis=1) & (found.given.sum(axis=1) > 0)).sum())


def flag_of(one: Flag, external_id: str, accepted: Bools, found: Found, labels: Sequence[str]) -> dict[str, Any]:
    """Return what is told of a flag, but for what to do, with label values by name."""
    return {
        "external_id": external_id,
        "kind": one.kind,
        "statistic": one.statistic,
        "p_value": one.p_value,
        "adjusted": one.adjusted,
        "reason": one.reason,
        "accepted": [labels[label] for label in np.flatnonzero(accepted[one.subject]).tolist()],
        "answers": dict(zip(labels, found.given[one.subject].tolist(), strict=True)),
    }


def label_alarms(found: Found, labels: Sequence[str]) -> list[LabelAlarm]:
    """Return the bias alarms with label values by name."""
    return [
        LabelAlarm(labels[one.subject], one.statistic, one.p_value, one.adjusted, one.reason) for one in found.labels
    ]


HANDLERS = [flag_gold]
