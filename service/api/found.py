"""Find what a path names among what the caller's team has."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from foundation.ids import is_id
from service.api.problems import Refusal, not_found
from service.lifecycle import NotPossibleError
from service.store import gold_banks, jobs
from service.store.dues import Connection
from service.store.gold_banks import Bank
from service.store.jobs import Job
from service.store.keys import Caller

Asked = ParamSpec("Asked")
T = TypeVar("T")


def asked(rule: Callable[Asked, T], *args: Asked.args, **kwargs: Asked.kwargs) -> T:
    """Ask a rule of the job's lifecycle, and refuse what it does not allow.

    Raises
    ------
    Refusal
        409, with what is possible.
    """
    try:
        return rule(*args, **kwargs)
    except NotPossibleError as error:
        raise Refusal("not-possible-now", str(error)) from None


def refuse_gold(caller: Caller) -> None:
    """Refuse to tell gold from other items to whoever may not see it: workers may hold keys, and other services.

    Raises
    ------
    Refusal
        403, where the caller's key lacks the scope jobs:read.
    """
    if "jobs:read" not in caller.scopes:
        held = ", ".join(caller.scopes)
        raise Refusal("forbidden", f"Gold is shown to keys with the scope jobs:read; the key has {held}.")


async def find_job(conn: Connection, caller: Caller, job_id: str, *, lock: bool = False) -> Job:
    """Return a job of the caller's team, locked for the transaction where that is asked for.

    Raises
    ------
    Refusal
        404, where there is none; another team's is none.
    """
    job = None
    if is_id("job", job_id):
        job = await (jobs.lock if lock else jobs.get)(conn, caller.team_id, job_id)
    if job is None:
        raise not_found("job")
    return job


async def find_bank(conn: Connection, caller: Caller, name: str, *, lock: bool = False) -> Bank:
    """Return a bank of the caller's team, locked for the transaction where that is asked for.

    Raises
    ------
    Refusal
        404, where there is none; another team's is none.
    """
    bank = None if "\0" in name else await gold_banks.find(conn, caller.team_id, name, lock=lock)
    if bank is None:
        raise not_found("gold bank")
    return bank
