"""What a bank can give to a job: before it is copied, and to say so in an estimate."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from gold.ask import AskPolicy
from service.api.found import find_bank
from service.api.problems import Refusal
from service.estimate import Estimate
from service.spec import Spec
from service.store import gold_banks
from service.store.dues import Connection
from service.store.gold_banks import Bank, Offered
from service.store.keys import Caller

NO_JOB = 0  # no job has this number, so that nothing counts as there already


def refuse_other_labels(bank: Bank, labels: Sequence[str]) -> None:
    """Refuse to have gold go between a bank and a job that do not ask for the same label values.

    Raises
    ------
    Refusal
        409, with the bank's.
    """
    if set(bank.task["labels"]) != set(labels):
        raise Refusal(
            "bank-differs",
            f"The gold bank {bank.name!r} is for jobs with the label values {', '.join(bank.task['labels'])}.",
        )


async def telling(conn: Connection, bank: Bank, job_no: int, spec: Spec) -> list[Offered]:
    """Return what of a bank may go into a job and tells anything of a worker."""
    offered = await gold_banks.offered(conn, bank.bank_no, job_no)
    # A bank may hold gold from before this was refused: where every label value is right, nothing is learnt.
    return [one for one in offered if len(one.accepted) < len(spec.task.labels)]


async def with_supply(
    conn: Connection, caller: Caller, spec: Spec, tell: Callable[..., Estimate], *, job_no: int = NO_JOB
) -> Estimate:
    """Estimate a job that is not launched with what the bank that its spec names would give at launch now.

    Parameters
    ----------
    tell : callable (gold_from_bank: int = 0) -> Estimate
    """
    if spec.gold is None:
        return tell()
    try:
        bank = await find_bank(conn, caller, spec.gold.bank)
        refuse_other_labels(bank, spec.task.labels)
    except Refusal as refusal:
        told = tell()
        note = f"Launching will be refused, as the spec takes gold from the bank {spec.gold.bank!r}. {refusal}"
        return replace(told, notes=[*told.notes, note])
    free = sum(one.exposures < AskPolicy().exposure for one in await telling(conn, bank, job_no, spec))
    wanted = tell().gold_missing if spec.gold.count is None else spec.gold.count
    return tell(gold_from_bank=min(wanted, free))
