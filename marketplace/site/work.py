"""One HIT: look at it, accept it, work on it, give it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar import get, post
from litestar.response import Redirect

from marketplace.refusal import ASSIGNMENT_ALREADY_EXISTS, Refused
from marketplace.site.frames import NO_ASSIGNMENT, SANDBOX, address, read_question, source
from marketplace.site.listing import ID
from marketplace.site.refusals import Refusal, missing_hit, refusal_of, unqualified
from marketplace.site.rendering import render
from marketplace.store import assignments, browsing, qualifications

if TYPE_CHECKING:
    from litestar import Response
    from litestar.params import FromPath

    from marketplace.site.given import Given
    from marketplace.site.site import Site
    from marketplace.site.visitors import Fields
    from marketplace.store.sessions import Session


@get("/hits/{hit_id:str}")
async def preview(site: Given[Site], visitor: Given[Session], hit_id: FromPath[str]) -> Response[str]:
    """Show a HIT before it is accepted."""
    if not ID.fullmatch(hit_id):
        raise missing_hit()
    async with site.pool.acquire() as connection:
        hit = await browsing.hit_page(connection, hit_id=hit_id, now=site.clock.now())
        held = await assignments.held(connection, worker_id=visitor.worker_id, hit_id=hit_id)
        gate = await qualifications.gate_at(connection, worker_id=visitor.worker_id, hit_id=hit_id)
    if hit is None or (gate.unseen and held is None):
        raise missing_hit()
    if gate.closed and held is None:
        raise unqualified()
    question = read_question(site, hit.question)
    return render(
        "preview.html",
        frame=source(question),
        visitor=visitor,
        hit=hit,
        held=held,
        barred=bool(gate.barred),
        sandbox=SANDBOX,
        height=question.frame_height,
        address=address(question, hit_id, assignment_id=NO_ASSIGNMENT),
    )


@post("/hits/{hit_id:str}/accept")
async def accept(
    site: Given[Site],
    visitor: Given[Session],
    fields: Given[Fields],
    hit_id: FromPath[str],
) -> Redirect:
    """Accept a HIT; one that the worker has in hand is simply gone on with."""
    del fields
    if not ID.fullmatch(hit_id):
        raise missing_hit()
    async with site.pool.acquire() as connection:
        try:
            assignment = await assignments.accept(
                connection, worker_id=visitor.worker_id, hit_id=hit_id, now=site.clock.now()
            )
        except Refused as refused:
            if refused.code != ASSIGNMENT_ALREADY_EXISTS:
                raise refusal_of(refused) from None
            held = await assignments.held(connection, worker_id=visitor.worker_id, hit_id=hit_id)
            if held is None or held.state != "accepted":
                raise refusal_of(refused) from None
            assignment = held
    return Redirect(f"/worker/assignments/{assignment.assignment_id}", status_code=303)


@get("/assignments/{assignment_id:str}")
async def work(site: Given[Site], visitor: Given[Session], assignment_id: FromPath[str]) -> Response[str]:
    """Show an accepted HIT to work on."""
    now = site.clock.now()
    if not ID.fullmatch(assignment_id):
        raise _missing_assignment()
    async with site.pool.acquire() as connection:
        found = await browsing.work_page(connection, worker_id=visitor.worker_id, assignment_id=assignment_id)
    if found is None:
        raise _missing_assignment()
    if found.state != "accepted" or found.deadline <= now:
        state = "over" if found.state == "accepted" else found.state
        raise Refusal(410, f"This assignment is {state}", "Choose another HIT.", reason="done")
    question = read_question(site, found.question)
    return render(
        "work.html",
        frame=source(question),
        visitor=visitor,
        work=found,
        left=(found.deadline - now).total_seconds(),
        sandbox=SANDBOX,
        height=question.frame_height,
        address=address(
            question,
            found.hit_id,
            assignment_id=assignment_id,
            worker_id=visitor.worker_id,
            submit_to=site.base_url,
        ),
    )


@post("/assignments/{assignment_id:str}/return")
async def give_back(
    site: Given[Site],
    visitor: Given[Session],
    fields: Given[Fields],
    assignment_id: FromPath[str],
) -> Redirect:
    """Return an accepted HIT, for others to do."""
    del fields
    if not ID.fullmatch(assignment_id):
        raise _missing_assignment()
    async with site.pool.acquire() as connection:
        try:
            await assignments.give_back(
                connection, worker_id=visitor.worker_id, assignment_id=assignment_id, now=site.clock.now()
            )
        except Refused as refused:
            raise refusal_of(refused) from None
    return Redirect("/worker", status_code=303)


def _missing_assignment() -> Refusal:
    return Refusal(404, "There is no such assignment", "Choose a HIT from the list.", reason="gone")


ROUTES = [preview, accept, work, give_back]
