"""Signs of automation over a whole job: evidence for a person, who may then say something of a worker."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from litestar import get
from msgspec import Meta, Struct

from gold.automation import BASE_RATE
from service.api.found import find_job
from service.api.paging import DEFAULT_PAGE, Limit
from service.api.routes import By, Given, JobId, about
from service.api.trust import TrustBy, TrustState
from service.store import trust
from service.store.trust import Automated


class SignView(Struct, frozen=True):
    """One sign, and the most that it can be worth: `chance` starts from the base rate, whatever else is known."""

    kind: Literal["speed", "identical_run", "shared_errors"]
    reason: str
    chance: Annotated[float, Meta(description="automation is at most so probable, by this sign and the base rate")]
    p_value: Annotated[float, Meta(description="the chance of as much under honest work")]
    likelihood_ratio: Annotated[float, Meta(description="at most so many times as probable under automation")]
    peer: Annotated[str | None, Meta(description="the other worker, where the sign is about two")] = None


class AutomatedView(Struct, frozen=True):
    """A worker with signs of automation."""

    worker: str
    state: TrustState
    by: TrustBy
    signs: Annotated[list[SignView], Meta(description="the strongest first")]


class SignsView(Struct, frozen=True):
    """Workers with signs of automation: they suspend nobody, a person judges."""

    base_rate: Annotated[float, Meta(description="of workers who automate, taken for granted before any sign")]
    total: Annotated[int, Meta(description="workers with a sign")]
    workers: Annotated[list[AutomatedView], Meta(description="whoever has the strongest sign first")]


@get(
    "/jobs/{job_id:str}/trust/signs",
    operation_id="listSigns",
    summary="See which workers may be automating",
    **about("workers:read", "not-found"),
)
async def list_signs(service: Given, caller: By, job_id: JobId, limit: Limit = DEFAULT_PAGE) -> SignsView:
    """Return the workers in whose answers the last scoring found signs of automation, with what each is worth.

    Answers faster than anybody reads, runs of one label value, errors shared with another worker: honest workers show
    them too, so each comes with the base rate from which it starts. Nothing follows from them by itself; `setTrust` is
    how a person says what does.
    """
    async with service.pool.acquire() as conn:
        job = await find_job(conn, caller, job_id)
        found = await trust.automated(conn, job.job_no, limit)
    return SignsView(BASE_RATE, found[0].total if found else 0, [_view(one) for one in found])


def _view(one: Automated) -> AutomatedView:
    return AutomatedView(
        worker=one.worker_id,
        state=one.state,  # type: ignore[arg-type]
        by=one.by,  # type: ignore[arg-type]
        signs=msgspec.convert(one.signs, list[SignView]),
    )


HANDLERS = [list_signs]
