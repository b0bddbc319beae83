"""What is inside the frame: the requester's own HTML, shut in.

The frame's ``sandbox`` attribute gives it an origin that nothing else has, so that its scripts reach neither the
site around it nor any other page of this server, and its requests carry no cookies. The same rule goes out as a
header with the HTML itself, so that it holds when somebody opens the address directly. Links may open in a new
window, which is free of the sandbox: without that, an item that is a link could not be looked at.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from litestar import MediaType, Response, get

from marketplace.question import ExternalQuestion, HtmlQuestion, parse_question
from marketplace.refusal import Refused
from marketplace.site.listing import ID
from marketplace.site.refusals import Refusal, missing_hit, unqualified
from marketplace.store import assignments, browsing, qualifications

if TYPE_CHECKING:
    from litestar import Request
    from litestar.params import FromPath

    from marketplace.question import Question
    from marketplace.site.given import Given
    from marketplace.site.site import Site
    from marketplace.store.sessions import Session

NO_ASSIGNMENT = "ASSIGNMENT_ID_NOT_AVAILABLE"
SANDBOX = "allow-scripts allow-forms allow-popups allow-popups-to-escape-sandbox"

_ASSIGNMENT = re.compile(r"[A-Z0-9]{1,64}")
_SOURCE = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+")
"""An origin that a policy header can hold as one source."""


def read_question(site: Site, xml: str) -> Question:
    """Read the question of a HIT.

    Raises
    ------
    Refusal
        Where it cannot be shown here (any more); the requester has to mend it.
    """
    try:
        question = parse_question(xml, plain_origins={site.origin.lower()})
    except Refused:
        raise _unreadable() from None
    if isinstance(question, ExternalQuestion) and not _SOURCE.fullmatch(_origin(question.url)):
        raise _unreadable()
    return question


def source(question: Question) -> str:
    """Name where the frame's page comes from, as a Content-Security-Policy does."""
    return _origin(question.url) if isinstance(question, ExternalQuestion) else "'self'"


def address(question: Question, hit_id: str, *, assignment_id: str, worker_id: str = "", submit_to: str = "") -> str:
    """Write the frame's address, with what Mechanical Turk tells the page; less of it in a preview."""
    told = {"assignmentId": assignment_id, "hitId": hit_id}
    if worker_id:
        told |= {"workerId": worker_id, "turkSubmitTo": submit_to}
    base = question.url if isinstance(question, ExternalQuestion) else f"/worker/frames/{hit_id}"
    bare, mark, fragment = base.partition("#")
    return f"{bare}{'&' if '?' in bare else '?'}{urlencode(told)}{mark}{fragment}"


@get("/frames/{hit_id:str}")
async def frame(
    request: Request[Any, Any, Any],
    site: Given[Site],
    visitor: Given[Session],
    hit_id: FromPath[str],
) -> Response[str]:
    """Serve the HTML of an HTMLQuestion as the requester wrote it."""
    if not ID.fullmatch(hit_id):
        raise missing_hit()
    _refuse_false_address(request, site, visitor)
    async with site.pool.acquire() as connection:
        hit = await browsing.hit_page(connection, hit_id=hit_id, now=site.clock.now())
        gate = await qualifications.gate_at(connection, worker_id=visitor.worker_id, hit_id=hit_id)
        held = gate.closed and await assignments.held(connection, worker_id=visitor.worker_id, hit_id=hit_id)
    if gate.closed and held is None:
        raise missing_hit() if gate.unseen else unqualified()
    question = read_question(site, hit.question) if hit else None
    if not isinstance(question, HtmlQuestion):
        raise missing_hit()
    return Response(
        question.html,
        media_type=MediaType.HTML,
        headers={
            "Content-Security-Policy": f"sandbox {SANDBOX}; frame-ancestors 'self'",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",  # the address names the worker
            "Cache-Control": "no-store",
        },
    )


def _refuse_false_address(request: Request[Any, Any, Any], site: Site, visitor: Session) -> None:
    """Refuse an address that would have the page send its answers elsewhere, or as someone else."""
    told = request.query_params
    right = (
        told.get("turkSubmitTo", site.base_url).rstrip("/") == site.base_url.rstrip("/")
        and told.get("workerId", visitor.worker_id) == visitor.worker_id
        and _ASSIGNMENT.fullmatch(told.get("assignmentId", NO_ASSIGNMENT).replace(NO_ASSIGNMENT, "NONE"))
    )
    if not right:
        raise Refusal(400, "This address is not right", "Open the HIT from the list.", reason="address")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _unreadable() -> Refusal:
    advice = "Its question cannot be shown here. Choose another HIT."
    return Refusal(502, "This HIT cannot be shown", advice, reason="unreadable")


ROUTES = [frame]
