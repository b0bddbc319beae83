"""How far workers agree on a job's items, where they do not, and how that changes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal, TypeAlias

import numpy as np
from litestar import get
from litestar.params import QueryParameter
from msgspec import Meta, Struct

from aggregation.agreement import Agreement
from service import agreeing
from service.agreeing import Figures, GroupAgreement, Report
from service.api.found import find_job, refuse_gold
from service.api.problems import Error, Refusal
from service.api.routes import By, Given, JobId, about
from service.app import Service
from service.store import answer_arrays, items, runs
from service.store.jobs import Job

Window: TypeAlias = Literal["hour", "day", "week"]

_LENGTHS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
# Weeks begin on Monday, and what times are counted from was a Saturday.
_FIRST = {"hour": timedelta(), "day": timedelta(), "week": timedelta(days=2)}
_MICROSECOND = timedelta(microseconds=1)
_MOST_WINDOWS = 1000
_MOST_BATCHES = 1000
_GOLD = "gold items too, for keys with the scope jobs:read"


class Figure(Struct, frozen=True):
    """A measure of agreement: 1 is all agree, 0 is as chance would have it, below 0 is worse than chance."""

    value: Annotated[float | None, Meta(description="null where there is none; `undefined` says why")]
    low: Annotated[float | None, Meta(description="end of the 95% bootstrap interval over items")]
    high: float | None
    undefined: str | None
    items: Annotated[int, Meta(description="items with two answers or more, on which it rests")]
    answers: Annotated[int, Meta(description="their answers")]


class LabelFigure(Struct, frozen=True):
    """A label value, watched on its own."""

    label: str
    answers: int
    items: Annotated[int, Meta(description="items with an answer of it")]
    share: Annotated[float, Meta(description="of all answers")]
    rare: Annotated[bool, Meta(description="fewer answers than a quarter of an even share")]
    specific: Annotated[
        float | None, Meta(description="where one answer is this label value, how often another to the item is too")
    ]
    alpha: Annotated[Figure, Meta(description='on "this label value, or another"')]


class LabelInGroup(Struct, frozen=True):
    """A label value in a batch or window."""

    answers: int
    specific: float | None


class BatchFigure(Struct, frozen=True):
    """A batch; null is that of items without one."""

    batch: str | None
    measures: dict[str, Figure]
    labels: dict[str, LabelInGroup]


class WindowFigure(Struct, frozen=True):
    """A window of time, in which pairs of answers count that were both handed in then."""

    start: datetime
    end: datetime
    measures: dict[str, Figure]
    labels: dict[str, LabelInGroup]


class ConfusedPair(Struct, frozen=True):
    """Two label values that answers to one item differ by."""

    labels: list[str]
    share: Annotated[float, Meta(description="of all pairs of answers to one item")]
    ratio: Annotated[float, Meta(description="to the share that chance would bring")]


class DisputedItem(Struct, frozen=True):
    """An item whose answers differ."""

    external_id: str
    answers: Annotated[dict[str, int], Meta(description="by label value, those that were given")]
    disagreement: Annotated[float, Meta(description="share of pairs that differ, with two that agree added")]
    entropy: Annotated[float, Meta(description="of the shares of its answers, in bits")]


class AgreementReport(Struct, frozen=True):
    """How far workers agree. Measures are alpha, kappa, ac1 and, where it was asked for, ordinal_alpha."""

    items: Annotated[int, Meta(description="items with an answer that counts")]
    answers: Annotated[int, Meta(description="answers that count, a worker's last to an item")]
    gold: bool
    window: Window
    measures: dict[str, Figure]
    labels: list[LabelFigure]
    batches: Annotated[
        list[BatchFigure], Meta(description="empty where no item has one; of more than 1000 the largest")
    ]
    windows: Annotated[list[WindowFigure], Meta(description="those with an answer, in order")]
    confused: Annotated[list[ConfusedPair], Meta(description="the most frequent first")]
    disputed: Annotated[list[DisputedItem], Meta(description="the most disputed first")]


@get(
    "/jobs/{job_id:str}/agreement",
    operation_id="measureAgreement",
    summary="See how far workers agree",
    **about("labels:read", "not-found"),
)
async def measure_agreement(
    service: Given,
    caller: By,
    job_id: JobId,
    window: Annotated[Window, QueryParameter(description="how long a window of time is", required=False)] = "day",
    ordinal: Annotated[
        bool, QueryParameter(description="ordinal alpha too: the label values stand in an order", required=False)
    ] = False,
    top: Annotated[
        int, QueryParameter(description="so many pairs and items at most", ge=1, le=1000, required=False)
    ] = 20,
    gold: Annotated[bool, QueryParameter(description=_GOLD, required=False)] = False,
) -> AgreementReport:
    """Measure agreement beyond chance: overall, by label value, by batch, over time, and where it fails.

    It rests on the answers that count, so those of suspended workers and rejected assignments are left out. A measure
    that does not exist is null, and `undefined` says why.
    """
    if gold:
        refuse_gold(caller)
    async with service.pool.acquire() as conn:
        job = await find_job(conn, caller, job_id)
    key = ("agreement", job.job_no, window, ordinal, top, gold)
    return await service.reports(key, lambda: _measure(service, job, window, ordinal=ordinal, top=top, gold=gold))


async def _measure(
    service: Service, job: Job, window: Window, *, ordinal: bool, top: int, gold: bool
) -> AgreementReport:
    async with service.pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        size = await runs.load_job(conn, job.job_no)
        answers = await answer_arrays.load_counting(conn, job.job_no, gold=gold)
        names, batch = await answer_arrays.load_batches(conn, job.job_no, size.n_items, gold=gold)
    number = (answers.submitted - _FIRST[window] // _MICROSECOND) // (_LENGTHS[window] // _MICROSECOND)
    _check_windows(int(np.unique(number).size), window)
    told = await asyncio.to_thread(
        agreeing.report, answers, size.n_labels, batch, number, ordinal=ordinal, top=top, most_batches=_MOST_BATCHES
    )
    async with service.pool.acquire() as conn:
        ids = await items.external_ids(conn, job.job_no, [one.item for one in told.disputed])
    values: list[str] = job.spec["task"]["labels"]
    return _view(told, values, names, ids, gold=gold, window=window)


def _check_windows(count: int, window: Window) -> None:
    """Refuse what would be a report of too many parts to read or to compute."""
    if count > _MOST_WINDOWS:
        message = f"the answers fall into {count} windows of one {window}, and at most {_MOST_WINDOWS} are shown: ask "
        message += "for longer ones"
        raise Refusal("malformed-request", "A query parameter is not valid.", errors=[Error(message, field="window")])


def _view(
    told: Report, values: Sequence[str], names: Sequence[str], ids: dict[int, str], *, gold: bool, window: Window
) -> AgreementReport:
    length = _LENGTHS[window]
    starts = [answer_arrays.BEGINNING + _FIRST[window] + one.group * length for one in told.windows]
    return AgreementReport(
        items=told.n_items,
        answers=told.n_answers,
        gold=gold,
        window=window,
        measures=_figures(told.overall),
        labels=[
            LabelFigure(value, one.answers, one.items, one.share, one.rare, one.specific, _figure(one.alpha))
            for value, one in zip(values, told.labels, strict=True)
        ],
        batches=[
            BatchFigure(names[one.group] if one.group >= 0 else None, _figures(one.figures), _labels(one, values))
            for one in told.batches
        ],
        windows=[
            WindowFigure(start, start + length, _figures(one.figures), _labels(one, values))
            for start, one in zip(starts, told.windows, strict=True)
        ],
        confused=[
            ConfusedPair([values[one], values[other]], share, ratio) for one, other, share, ratio in told.confused
        ],
        disputed=[
            DisputedItem(
                ids[one.item],
                {value: votes for value, votes in zip(values, one.votes, strict=True) if votes},
                one.disagreement,
                one.entropy,
            )
            for one in told.disputed
        ],
    )


def _figures(figures: Figures) -> dict[str, Figure]:
    return {measure: _figure(one) for measure, one in figures.items()}


def _figure(one: Agreement) -> Figure:
    return Figure(one.value, one.low, one.high, one.undefined, one.n_items, one.n_answers)


def _labels(group: GroupAgreement, values: Sequence[str]) -> dict[str, LabelInGroup]:
    """Show the label values that a group has answers of."""
    told = zip(values, group.labels, strict=True)
    return {value: LabelInGroup(answers, specific) for value, (answers, specific) in told if answers}


HANDLERS = [measure_agreement]
