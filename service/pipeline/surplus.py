"""Surplus: what comes in beyond what is reserved, as other clients of the account asked for it, or after a HIT closed.

Workers did that work, and the market pays them whatever we think of it, so that it is kept, counted and approved like
any other. What is decided here is where its pay comes from.
"""

from __future__ import annotations

from collections.abc import Sequence

from foundation.money import format_usd
from service.pipeline.alarm import alarm
from service.pipeline.stage import Stage
from service.store import dues, events, jobs, money, surplus

_KIND = "extended"
_NAMED = 5  # HITs that an event names


async def notice(stage: Stage, job_no: int, rows: Sequence[tuple[int, int]]) -> None:
    """Save what the market offers beyond what we wanted, (hit_no, MaxAssignments), and say so; the job is locked."""
    extended = await surplus.offered(stage.conn, job_no, rows)
    if not extended:
        return
    now = stage.clock.now()
    told = [f"{hit.market_hit_id} to {hit.offered} assignments in place of {hit.wanted}" for hit in extended]
    message = (
        f"{len(extended)} HITs were extended by another client of the market account: {_some(told)}; what workers hand "
        f"in counts and is paid, from the budget as far as it goes, and a HIT that needs no more is expired"
    )
    await events.record(stage.conn, job_no, now, _KIND, message)
    await dues.want(stage.conn, "decide", job_no, now)


async def take_in(stage: Stage, job_no: int, state: str) -> bool:
    """Reserve for surplus what the budget holds; False where something is left, and its approvals wait.

    A job that would go on is then paused. One that is being cancelled has nothing left to wait for, and owes the pay
    all the same: its budget is raised by what is missing, with an event. Called with the job locked.
    """
    found = await surplus.of_job(stage.conn, job_no)
    if not found:
        return True
    conn, now = stage.conn, stage.clock.now()
    free, cost = await money.free(conn, job_no), sum(hit.assignments * hit.unit_cents for hit in found)
    if state == "cancelling" and cost > free:
        await _raise_budget(stage, job_no, cost - free, sum(hit.assignments for hit in found))
        free = cost
    taken = []
    for hit in found:
        more = min(hit.assignments, free // hit.unit_cents) if hit.unit_cents else hit.assignments
        if more:
            free -= more * hit.unit_cents
            taken.append((hit, more))
    if taken:
        await money.reserve(conn, job_no, [(hit.hit_no, more * hit.unit_cents) for hit, more in taken], now)
        await surplus.take_in(conn, job_no, [(hit.hit_no, more) for hit, more in taken])
        promised = format_usd(sum(more * hit.unit_cents for hit, more in taken))
        message = (
            f"{sum(more for _, more in taken)} assignments came in that nothing was promised for, as another client of "
            f"the market account asked for them or reviewed them, of "
            f"{_some([hit.market_hit_id for hit, _ in taken])}; {promised} US dollars of the budget are promised for "
            f"them"
        )
        await events.record(conn, job_no, now, _KIND, message)
    left = await surplus.of_job(conn, job_no)
    if not left:
        return True
    missing = sum(hit.assignments * hit.unit_cents for hit in left) - free
    message = (
        f"another client of the market account has extended or reviewed "
        f"{_some([hit.market_hit_id for hit in left])}, and "
        f"{sum(hit.assignments for hit in left)} assignments more have come in than the budget holds; they count, and "
        f"wait for their approval: find out who does it, raise the budget by {format_usd(missing)} US dollars or "
        f"more, and resume; or cancel, which pays them too"
    )
    await surplus.hold(conn, job_no, message)
    await alarm(stage, job_no, _KIND, message)
    return False


async def _raise_budget(stage: Stage, job_no: int, cents: int, assignments: int) -> None:
    before = await money.budget(stage.conn, job_no)
    await jobs.set_budget(stage.conn, job_no, before + cents, format_usd(before + cents))
    message = (
        f"{assignments} assignments came in that another client of the market account asked for, and the budget does "
        f"not hold their pay, which is owed: it is raised from {format_usd(before)} to {format_usd(before + cents)} "
        f"US dollars, so that the cancelled job can end"
    )
    await events.record(
        stage.conn, job_no, stage.clock.now(), _KIND, message, {"from_cents": before, "to_cents": before + cents}
    )


def _some(names: Sequence[str]) -> str:
    return f"{', '.join(names[:_NAMED])}{' and others' if len(names) > _NAMED else ''}"
