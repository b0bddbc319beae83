"""Rules of trust, put in force in a job that may be running: they were tried before, by a dry run."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, patch
from msgspec import Meta, Struct

from service.api.bodies import JSON, read_json
from service.api.found import asked, find_job
from service.api.problems import Refusal, named
from service.api.routes import By, Given, JobId, about
from service.lifecycle import require_takes_items
from service.spec import Trust, TrustRules, read_spec
from service.spec_reading import wrong_rules
from service.store import dues, events, jobs

_LARGEST = 16 * 1024


class RulesChange(TrustRules, frozen=True, forbid_unknown_fields=True):
    """Rules to be put in force; those that are left out stay as they are."""

    suspend: Annotated[
        bool, Meta(description="let the policy suspend; without it, it watches, and a person alone suspends")
    ] = True


class RulesInForce(Struct, frozen=True):
    """The rules of trust that a job goes by from now on."""

    trust: Trust
    changed: Annotated[list[str], Meta(description="the settings that were other before")]


@patch(
    "/jobs/{job_id:str}/trust",
    operation_id="changeTrustRules",
    summary="Put other rules of trust in force",
    **about(
        "workers:judge", "not-found", "not-possible-now", "invalid-content", reads={JSON: RulesChange}, largest=_LARGEST
    ),
)
async def change_trust_rules(
    request: Request[Any, Any, Any], service: Given, caller: By, job_id: JobId
) -> RulesInForce:
    """Put rules in force that a dry run has shown the effect of; everybody is judged by them as though from the start.

    Who would be suspended by them is, and who would not be no longer is; what people said of workers stands. The gate
    is a requirement of HITs that may be out, so it stays as the spec has it.
    """
    change = await read_json(request, RulesChange)
    given = {name: getattr(change, name) for name in msgspec.json.decode(await request.body())}
    now = service.clock.now()
    async with service.pool.acquire() as conn, conn.transaction():
        job = await find_job(conn, caller, job_id, lock=True)
        asked(require_takes_items, job.state, "its rules of trust cannot change")
        spec = read_spec(job.spec)
        changed = {name: value for name, value in given.items() if getattr(spec.trust, name) != value}
        trust = msgspec.structs.replace(spec.trust, **changed)
        if wrong := list(wrong_rules(trust, len(spec.task.labels), "")):
            raise Refusal("invalid-content", f"The body is not valid: {wrong[0]}", errors=named(wrong))
        if changed:
            await jobs.set_trust(conn, job.job_no, msgspec.to_builtins(trust))
            told = ", ".join(
                f"{name} {_told(getattr(spec.trust, name))} → {_told(value)}" for name, value in changed.items()
            )
            message = f"rules of trust changed by {caller.name}: {told}"
            await events.record(conn, job.job_no, now, "trust", message, {"key_id": caller.key_id})
            if job.state != "draft":
                await dues.want(conn, "score", job.job_no, now)
    return RulesInForce(trust, sorted(changed))


def _told(value: float) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


HANDLERS = [change_trust_rules]
