"""Candidates for gold: what the consensus is sure of, put before a person."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from litestar import get
from litestar.params import QueryParameter
from msgspec import Meta, Struct

from service import offering
from service.api.found import find_job
from service.api.routes import By, Given, JobId, about
from service.offering import POLICY, Offers, evidence
from service.store import answer_arrays, runs
from service.store import gold_candidates as stored
from service.store.dues import Connection
from service.store.gold_candidates import Shown, Sure
from service.store.jobs import Job

MOST = 1000


class Evidence(Struct, frozen=True):
    """Why an item is a candidate."""

    label: Annotated[str, Meta(description="what the consensus says")]
    confidence: float
    margin: Annotated[float, Meta(description="that much less probable is the second label value")]
    answers: Annotated[dict[str, int], Meta(description="that count, by label value")]
    reason: str
    run_id: str


class GoldCandidate(Struct, frozen=True):
    """An item that may become gold once a person has confirmed it."""

    external_id: str
    payload: dict[str, Any]
    evidence: Evidence


class GoldCandidates(Struct, frozen=True):
    """What waits for a person, and what there is."""

    least_confidence: float
    least_answers: int
    waiting: Annotated[dict[str, int], Meta(description="items that wait for a person, by the label of the consensus")]
    candidates: Annotated[
        list[GoldCandidate],
        Meta(description="label values in turn, the surest first; the next come once these are said"),
    ]


@get(
    "/jobs/{job_id:str}/gold/candidates",
    operation_id="listGoldCandidates",
    summary="See which items may become gold",
    **about("jobs:read", "not-found"),
)
async def list_candidates(
    service: Given,
    caller: By,
    job_id: JobId,
    limit: Annotated[int, QueryParameter(description="candidates", ge=1, le=MOST, required=False)] = 50,
) -> GoldCandidates:
    """Offer items of whose label the consensus is sure, of which nobody has said anything yet; nothing is changed.

    Label values take turns. What is sure is mostly easy, so where workers dissented goes first among what is equally
    sure. None of it is gold before a person accepts it.
    """
    async with service.pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        job = await find_job(conn, caller, job_id)
        found, told = await offer(conn, job, limit)
    values: list[str] = job.spec["task"]["labels"]
    return GoldCandidates(
        least_confidence=POLICY.least_confidence,
        least_answers=POLICY.least_answers,
        waiting=dict(zip(values, found.by_label.tolist(), strict=True)),
        candidates=[
            GoldCandidate(told[number].external_id, told[number].payload, evidence_of(raw, values))
            for number, raw in shown_of(found, told).items()
        ],
    )


async def offer(
    conn: Connection, job: Job, n: int, only: Sequence[int] | None = None
) -> tuple[Offers, dict[int, Shown]]:
    """Offer candidates of a job: those of which nothing was said yet, or such as are among some items."""
    size = await runs.load_job(conn, job.job_no)
    sure = await stored.sure(conn, job.job_no, POLICY.least_confidence, decided=only is not None)
    if only is not None:
        among = np.isin(sure.item, np.array(only, dtype=np.int64))
        sure = Sure(sure.item[among], sure.label[among], sure.confidence[among])
    answers = await answer_arrays.load(conn, job.job_no)
    found = await asyncio.to_thread(offering.offer, sure, answers, size, n)
    return found, await stored.shown(conn, job.job_no, [one.item for one in found.candidates])


def shown_of(found: Offers, told: Mapping[int, Shown]) -> dict[int, dict[str, Any]]:
    """Return the evidence of candidates by their items' numbers."""
    return {
        one.item: evidence(one, votes, told[one.item].probabilities, told[one.item].run_id)
        for one, votes in zip(found.candidates, found.votes, strict=True)
    }


def evidence_of(raw: Mapping[str, Any], values: Sequence[str]) -> Evidence:
    """Return stored evidence with label values in place of their numbers."""
    named_by = {"label": values[raw["label"]], "answers": dict(zip(values, raw["answers"], strict=True))}
    return Evidence(**{**raw, **named_by})


HANDLERS = [list_candidates]
