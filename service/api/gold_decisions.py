"""Decisions on candidates for gold: a person accepts them into a bank, or refuses them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Protocol

from litestar import Request, post
from msgspec import Meta, Struct

from service.api.bank_lines import refuse_differing, spec_of, stage_gold
from service.api.bank_supply import refuse_other_labels
from service.api.bodies import JSON, read_json
from service.api.found import find_bank, find_job
from service.api.gold import accepted_values
from service.api.gold_candidates import MOST, offer, shown_of
from service.api.gold_verdicts import Verdicts, said_before, told
from service.api.problems import Error, Refusal
from service.api.routes import By, Given, JobId, about
from service.correcting import AcceptedBecause, Cause, wrong_accepted
from service.offering import POLICY
from service.spec import BankName
from service.store import events, gold_banks
from service.store import gold_candidates as stored
from service.store.dues import Connection
from service.store.gold_banks import Bank, BankItem
from service.store.gold_candidates import NewVerdict, Shown, VerdictRow
from service.store.jobs import Job
from service.upload.line import Accepted, GoldLine
from service.upload.reading import MOST_NAMED

_LARGEST = 4 * 1024 * 1024
_ACCEPTED_ALREADY = "was accepted already, into the bank {bank!r}: edit, retire or exclude it there"

ExternalId = Annotated[str, Meta(min_length=1, max_length=255)]


class Acceptance(Struct, frozen=True, forbid_unknown_fields=True):
    """A candidate that a person confirmed: the label values that are right, whatever the consensus says, and why."""

    external_id: ExternalId
    accepted: Annotated[list[AcceptedBecause], Meta(min_length=1, max_length=100)]


class Acceptances(Struct, frozen=True, forbid_unknown_fields=True):
    """What becomes gold of a bank, each item once."""

    bank: BankName
    candidates: Annotated[list[Acceptance], Meta(min_length=1, max_length=MOST)]


class Rejection(Struct, frozen=True, forbid_unknown_fields=True):
    """A candidate that is not to be gold, and why."""

    external_id: ExternalId
    reason: Cause


class Rejections(Struct, frozen=True, forbid_unknown_fields=True):
    """What is not to be offered again, each item once."""

    candidates: Annotated[list[Rejection], Meta(min_length=1, max_length=MOST)]


class _Named(Protocol):
    @property
    def external_id(self) -> str: ...


@post(
    "/jobs/{job_id:str}/gold/candidates/accept",
    operation_id="acceptGoldCandidates",
    summary="Make candidates gold of a bank",
    status_code=200,
    **about(
        "jobs:write",
        "not-found",
        "no-candidate",
        "unknown-items",
        "bank-differs",
        "items-differ",
        "invalid-content",
        reads={JSON: Acceptances},
        largest=_LARGEST,
    ),
)
async def accept_candidates(request: Request[Any, Any, Any], service: Given, caller: By, job_id: JobId) -> Verdicts:
    """Make items gold of a bank on a person's word, with the label values that they say are right and why.

    In this job the items stay items, with their labels: the workers who answered them made the consensus, so they are
    not judged by it. Other jobs can copy them from the bank. Where one cannot be accepted, none is; what was accepted
    before in the same way is left as it is.
    """
    asked = await read_json(request, Acceptances)
    ids = [said.external_id for said in asked.candidates]
    now = service.clock.now()
    async with service.pool.acquire() as conn, conn.transaction():
        job = await find_job(conn, caller, job_id, lock=True)
        bank = await find_bank(conn, caller, asked.bank, lock=True)
        values: list[str] = job.spec["task"]["labels"]
        refuse_other_labels(bank, values)
        wrong = [
            one
            for place, said in enumerate(asked.candidates)
            for one in wrong_accepted(said.accepted, f"candidates[{place}].accepted", values)
        ]
        before = await said_before(conn, job, ids, wrong)
        new = [said for said in asked.candidates if not _same(said, before.get(said.external_id), bank)]
        candidates = await _candidates(conn, job, new, before)
        if new:
            lines = [
                GoldLine(
                    external_id=said.external_id,
                    payload=candidates[said.external_id][0].payload,
                    accepted=[Accepted(one.label, one.reason) for one in said.accepted],
                )
                for said in new
            ]
            await stage_gold(conn, lines, spec_of(bank.task), unfit=f"This does not fit the gold bank {bank.name!r}")
            await refuse_differing(conn, bank)
            cause = f"accepted as a candidate of {job.job_id}"
            await gold_banks.add_staged(conn, bank.bank_no, at=now, by=caller.name, cause=cause)
            there = {row.external_id: row for row in await gold_banks.named(conn, bank.bank_no, [*candidates])}
            _refuse_past(there.values())
            await stored.save(
                conn,
                job.job_no,
                [
                    NewVerdict(shown.item_no, "", raw, there[name].item_no, there[name].version)
                    for name, (shown, raw) in candidates.items()
                ],
                bank_no=bank.bank_no,
                at=now,
                by=caller.name,
            )
            said_of = f"{len(new)} candidates for gold accepted into the bank {bank.name} by {caller.name}"
            await events.record(conn, job.job_no, now, "gold", said_of, {"key_id": caller.key_id})
        return await told(conn, job, ids, len(new))


@post(
    "/jobs/{job_id:str}/gold/candidates/refuse",
    operation_id="refuseGoldCandidates",
    summary="Refuse candidates for gold",
    status_code=200,
    **about(
        "jobs:write",
        "not-found",
        "no-candidate",
        "unknown-items",
        "invalid-content",
        reads={JSON: Rejections},
        largest=_LARGEST,
    ),
)
async def refuse_candidates(request: Request[Any, Any, Any], service: Given, caller: By, job_id: JobId) -> Verdicts:
    """Say that items are not to be gold, and why; they are not offered again, and may still be accepted later."""
    asked = (await read_json(request, Rejections)).candidates
    ids = [said.external_id for said in asked]
    now = service.clock.now()
    async with service.pool.acquire() as conn, conn.transaction():
        job = await find_job(conn, caller, job_id, lock=True)
        before = await said_before(conn, job, ids)
        new = [
            said for said in asked if said.external_id not in before or before[said.external_id].reason != said.reason
        ]
        candidates = await _candidates(conn, job, new, before)
        if new:
            reasons = {said.external_id: said.reason for said in new}
            verdicts = [NewVerdict(shown.item_no, reasons[name], raw) for name, (shown, raw) in candidates.items()]
            await stored.save(conn, job.job_no, verdicts, bank_no=None, at=now, by=caller.name)
            said_of = f"{len(new)} candidates for gold refused by {caller.name}: {new[0].reason}"
            await events.record(conn, job.job_no, now, "gold", said_of, {"key_id": caller.key_id})
        return await told(conn, job, ids, len(new))


async def _candidates(
    conn: Connection, job: Job, new: Sequence[_Named], before: Mapping[str, VerdictRow]
) -> dict[str, tuple[Shown, dict[str, Any]]]:
    """Return items of which something new is said, with what the person was shown, by external_id.

    Raises
    ------
    Refusal
        409, naming those that are no candidates.
    """
    ids = [said.external_id for said in new]
    numbers = await stored.numbers(conn, job.job_no, ids)
    found, offered = await offer(conn, job, MOST, list(numbers.values())) if new else (None, {})
    shown = {} if found is None else shown_of(found, offered)
    rule = f"has no consensus that is {POLICY.least_confidence:.0%} sure, on {POLICY.least_answers} answers or more"
    wrong = []
    for name in ids:
        if name in before and before[name].verdict == "accepted":
            wrong.append(Error(_ACCEPTED_ALREADY.format(bank=before[name].bank), external_id=name))
        elif numbers[name] not in shown:
            wrong.append(Error(rule, external_id=name))
    if wrong:
        raise Refusal(
            "no-candidate",
            f"{len(wrong)} of these items cannot be decided on; nothing was changed: "
            f"{wrong[0].external_id}: {wrong[0].message}.",
            errors=wrong[:MOST_NAMED],
            errors_total=len(wrong),
        )
    return {name: (offered[numbers[name]], shown[numbers[name]]) for name in ids}


def _refuse_past(there: Iterable[BankItem]) -> None:
    past = [row for row in there if row.state != "asked"]
    if past:
        raise Refusal(
            "items-differ",
            f"{len(past)} of these external_ids are in the bank and not asked any more; nothing was changed. Edit them "
            "there to have them asked again.",
            errors=[Error(f"is {row.state} in the bank", external_id=row.external_id) for row in past[:MOST_NAMED]],
            errors_total=len(past),
        )


def _same(said: Acceptance, before: VerdictRow | None, bank: Bank) -> bool:
    if before is None or before.accepted is None or before.bank != bank.name:
        return False
    was = {(one.label, one.reason) for one in accepted_values(before.accepted, before.labels or ())}
    return was == {(one.label, one.reason) for one in said.accepted}


HANDLERS = [accept_candidates, refuse_candidates]
