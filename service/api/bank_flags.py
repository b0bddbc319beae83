"""A bank's gold that may be wrong or known, found over all jobs that it was copied into: for a person to look at."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, NamedTuple

import numpy as np
from litestar import get
from msgspec import Meta, Struct

from gold.flags import Flag
from service import flagging
from service.api.found import find_bank
from service.api.gold import GoldState
from service.api.gold_banks import BankPath
from service.api.gold_flags import GoldFlag, LabelAlarm, flag_of, label_alarms, tested
from service.api.routes import By, Given, about
from service.app import Service
from service.bank_case import BankCase
from service.flagging import Found, Ints
from service.lifecycle import State
from service.store import bank_answers, gold_banks
from service.store.bank_answers import Who
from service.store.gold_banks import Bank
from service.store.keys import Caller

# What a worker's pace is told by: fewer assignments of theirs in a job say too little of it.
_ASSIGNMENTS = 3
_ADVICE: dict[str, str] = {
    "missed": "Look at it: correct what it accepts, or exclude it, in the bank and in the jobs that have it.",
    "leaked": "Retire it in the bank and in the jobs that still ask it, and look whether gold that stood beside it is "
    "flagged too.",
    "same_wrong_answer": "Look at it: accept the answer if it is right, in the bank and in the jobs that have it; if "
    "not, look at who gave it.",
    "contradicted": "Look at it: correct what it accepts, or exclude it, in the bank and in the jobs that have it; if "
    "it is right, the crowd needs guidelines.",
}


class Exposure(Struct, frozen=True):
    """One worker's answer to a bank's gold, in the job in which they met it first."""

    at: datetime
    job_id: str
    label: str
    right: Annotated[bool, Meta(description="by what the bank accepts now")]
    pace: Annotated[
        float | None,
        Meta(description="time of its assignment over what the worker's usually take in that job; null: not known"),
    ]
    worker: Annotated[str | None, Meta(description="Assay's id, for keys with the scope workers:read")]
    market_worker_id: Annotated[str | None, Meta(description="the market's, for keys with the scope workers:identify")]


class MetIn(Struct, frozen=True):
    """A job in which a bank's gold was answered."""

    job_id: str
    name: str
    job_state: State
    state: Annotated[GoldState, Meta(description="of the gold in that job, which the bank's corrections do not reach")]
    answers: int
    right: Annotated[int, Meta(description="by what the bank accepts now")]
    first_at: datetime
    last_at: datetime


class BankFlag(GoldFlag, frozen=True, kw_only=True):
    """One finding against a bank's gold, with its evidence; it changes nothing by itself."""

    state: GoldState
    version: Annotated[int, Meta(description="of the item, which it was tested by")]
    jobs: Annotated[list[MetIn], Meta(description="the first to meet it first")]
    exposures: Annotated[list[Exposure], Meta(description="in the order of time")]


class BankFlags(Struct, frozen=True):
    """What is flagged of a bank, the surest of each kind first."""

    bank: str
    version: int
    tested: Annotated[int, Meta(description="gold items, excluded ones left out, with an answer")]
    jobs: Annotated[int, Meta(description="that have gold of the bank with an answer")]
    answers: Annotated[int, Meta(description="that were looked at: each worker's to each item once")]
    gold: list[BankFlag]
    bias: list[LabelAlarm]


@get(
    "/gold-banks/{bank:str}/flags",
    operation_id="flagBank",
    summary="See which gold of a bank is suspicious",
    **about("jobs:read", "not-found"),
)
async def flag_bank(service: Given, caller: By, bank: BankPath) -> BankFlags:
    """Test a bank's gold on the answers that all jobs have of it: missed, contradicted, leaked, missed alike by many.

    A job shows a gold item to a few workers, and a leak takes about twenty to be seen. Items are tested by the version
    that the bank has in force, answers of one job are compared with its other gold, and what a worker meets again in
    another job is left out. About one in twenty of what is flagged is flagged for nothing, so a person decides; nothing
    is changed.
    """
    async with service.pool.acquire() as conn:
        found = await find_bank(conn, caller, bank)
    case, flags, told = await service.reports(("bank-flags", found.bank_no), lambda: _flag(service, found))
    return _view(case, flags, told, caller)


class _Told(NamedTuple):
    """What is told beside what was found: the state of copies, by item and job; workers, by job and number."""

    copies: dict[tuple[int, int], str]
    who: dict[tuple[int, int], Who]


async def _flag(service: Service, bank: Bank) -> tuple[BankCase, Found, _Told]:
    async with service.pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        bank = await gold_banks.get(conn, bank.bank_no)
        items = await gold_banks.items(conn, bank.bank_no, after=-1, state=None, limit=bank.asked + bank.others)
        jobs = await bank_answers.jobs(conn, bank.bank_no)
        met = await bank_answers.load(conn, bank.bank_no)
        usual = await bank_answers.usual_seconds(conn, bank.bank_no, at_least=_ASSIGNMENTS)
    case = await asyncio.to_thread(BankCase.of, bank, items, jobs, met, usual)
    found = await asyncio.to_thread(flagging.flag_bank, case)
    flagged = sorted({one.subject for one in found.gold})
    rows = np.isin(case.met.item, flagged)
    pairs = np.unique(np.column_stack((case.met.job[rows], case.met.worker_no[rows])), axis=0)
    async with service.pool.acquire() as conn:
        copies = await bank_answers.copies(conn, bank.bank_no, flagged)
        who = await bank_answers.who(conn, pairs[:, 0].tolist(), pairs[:, 1].tolist())
    return case, found, _Told(copies, who)


def _view(case: BankCase, found: Found, told: _Told, caller: Caller) -> BankFlags:
    return BankFlags(
        bank=case.bank.name,
        version=case.bank.version,
        tested=tested(case.accepted, found),
        jobs=int(np.unique(case.met.job).size),
        answers=int(case.met.item.size),
        gold=[_flag_view(case, found, one, told, caller) for one in found.gold],
        bias=label_alarms(found, case.labels),
    )


def _flag_view(case: BankCase, found: Found, one: Flag, told: _Told, caller: Caller) -> BankFlag:
    item, rows = case.items[one.subject], np.flatnonzero(case.met.item == one.subject)
    jobs = case.met.job[rows]
    _, first = np.unique(jobs, return_index=True)
    return BankFlag(
        **flag_of(one, item.external_id, case.accepted, found, case.labels),
        advice=_ADVICE[one.kind],
        state=item.state,  # type: ignore[arg-type]
        version=item.version,
        jobs=[_met_in(case, rows[jobs == job], told.copies[one.subject, job]) for job in jobs[np.sort(first)].tolist()],
        exposures=[_exposure(case, row, told, caller) for row in rows.tolist()],
    )


def _met_in(case: BankCase, rows: Ints, state: str) -> MetIn:
    """Sum up an item's answers in one job, which are these rows."""
    met, job = case.met, case.jobs[int(case.met.job[rows[0]])]
    return MetIn(
        job_id=job.job_id,
        name=job.name,
        job_state=job.state,  # type: ignore[arg-type]
        state=state,  # type: ignore[arg-type]
        answers=rows.size,
        right=int(case.accepted[met.item[rows], met.label[rows]].sum()),
        first_at=met.at(rows[0]),
        last_at=met.at(rows[-1]),
    )


def _exposure(case: BankCase, row: int, told: _Told, caller: Caller) -> Exposure:
    met, pace = case.met, float(case.seconds[row] / case.usual[row])
    job_no, label = int(met.job[row]), int(met.label[row])
    who = told.who[job_no, int(met.worker_no[row])]
    return Exposure(
        at=met.at(row),
        job_id=case.jobs[job_no].job_id,
        label=case.labels[label],
        right=bool(case.accepted[met.item[row], label]),
        pace=round(pace, 3) if np.isfinite(pace) else None,
        worker=who.worker_id if "workers:read" in caller.scopes else None,
        market_worker_id=who.market_worker_id if "workers:identify" in caller.scopes else None,
    )


HANDLERS = [flag_bank]
