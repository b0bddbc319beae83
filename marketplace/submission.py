"""Where the form of a question is sent: ``/mturk/externalSubmit``.

The form comes out of a sandboxed frame, from an origin of nowhere and without a cookie. What authorises it is the
assignment's id, which only the worker who accepted has been shown, and which works once.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import structlog
from litestar import Request, Response, post
from litestar.datastructures import UploadFile
from litestar.exceptions import HTTPException
from markupsafe import Markup

from marketplace.answers import ASSIGNMENT_FIELD
from marketplace.refusal import ASSIGNMENT_DOES_NOT_EXIST, INVALID_PARAMETER, Refused
from marketplace.store import assignments
from marketplace.wire.routes import LostResponse

if TYPE_CHECKING:
    import asyncpg
    from litestar.handlers import HTTPRouteHandler

    from foundation.clock import Clock
    from marketplace.misbehaviour import Misbehaviour

LONGEST_FORM: Final = 1024 * 1024
MOST_FIELDS: Final = 1000
NOT_AVAILABLE: Final = "ASSIGNMENT_ID_NOT_AVAILABLE"
"""What stands for the assignment's id in a preview."""

_log = structlog.get_logger(__name__)

_STATUS: Final = {ASSIGNMENT_DOES_NOT_EXIST: HTTPStatus.NOT_FOUND, INVALID_PARAMETER: HTTPStatus.BAD_REQUEST}

_PAGE: Final = Markup("""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>body {{ font: 1rem/1.5 system-ui, sans-serif; margin: 2rem; color-scheme: light dark }}</style></head>
<body><main><h1>{title}</h1><p role="status">{text}</p>
<p><a href="{on}" target="_top">Go on</a></p></main>{script}</body>
</html>
""")

# The frame has no origin of its own, so nothing is said to it that is not known: the id was used up just now.
_TELL_PARENT: Final = Markup(
    '<script>parent.postMessage({{type: "assay:submitted", assignmentId: "{id}"}}, "*")</script>'
)

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def create_submission_handler(
    pool: asyncpg.Pool, clock: Clock, *, base_url: str, misbehaviour: Misbehaviour | None
) -> HTTPRouteHandler:
    """Make the handler that takes submissions in."""

    def page(status: int, title: str, text: str, submitted: str = "") -> Response[str]:
        script = _TELL_PARENT.format(id=submitted) if submitted else ""
        return Response(
            content=_PAGE.format(title=title, text=text, on=f"{base_url}/worker", script=script),
            status_code=status,
            media_type="text/html",
            headers=_HEADERS,
        )

    @post("/externalSubmit", status_code=200, request_max_body_size=LONGEST_FORM, include_in_schema=False)
    async def submit(request: Request[Any, Any, Any]) -> Response[Any]:
        rule = misbehaviour.choose("externalSubmit", clock.now()) if misbehaviour else None
        if rule is not None and rule.kind in ("fault", "throttle", "drop_before"):
            return LostResponse() if rule.kind == "drop_before" else page(500, *_FAILED)
        try:
            fields = await _fields(request)
            async with pool.acquire() as conn:
                done = await assignments.submit(
                    conn, assignment_id=_assignment_id(fields), fields=fields, now=clock.now()
                )
        except Refused as refused:
            status = _STATUS.get(refused.code, HTTPStatus.CONFLICT)
            return page(status, "Not submitted", refused.message)
        except HTTPException as error:
            return page(error.status_code, "Not submitted", _UNREADABLE.get(error.status_code, _UNREADABLE[400]))
        except Exception:  # noqa: BLE001 - logged, and told as a page that one can read
            _log.exception("a submission failed")
            return page(500, *_FAILED)
        if rule is not None and rule.kind in ("drop", "fault_after"):
            return LostResponse() if rule.kind == "drop" else page(500, *_FAILED)
        return page(200, "Submitted", "Thank you: your work has been submitted.", done.assignment_id)

    return submit


_FAILED: Final = ("Not submitted", "Something went wrong here. Go back and submit again; your work is still open.")
_UNREADABLE: Final = {
    400: "The form could not be read. Go back and submit it again.",
    413: f"The answers are longer than {LONGEST_FORM // 1024} KiB. Go back and shorten them.",
}


def _assignment_id(fields: list[tuple[str, str]]) -> str:
    ids = [value for name, value in fields if name == ASSIGNMENT_FIELD]
    if not ids:
        raise Refused(INVALID_PARAMETER, f"The form has no field named {ASSIGNMENT_FIELD}.")
    if NOT_AVAILABLE in ids:
        raise Refused(INVALID_PARAMETER, "This is a preview: accept the HIT, then submit.")
    if len(set(ids)) > 1 or not ids[0].isascii() or not ids[0].isalnum():
        raise Refused(ASSIGNMENT_DOES_NOT_EXIST, "The form names no assignment that exists.")
    return ids[0]


async def _fields(request: Request[Any, Any, Any]) -> list[tuple[str, str]]:
    kind, _parameters = request.content_type
    if kind == "application/x-www-form-urlencoded":
        try:
            text = (await request.body()).decode("ascii")
            return parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="replace")
        except ValueError:
            raise Refused(INVALID_PARAMETER, _UNREADABLE[400]) from None
    if kind == "multipart/form-data":
        form = await request.form()
        return [(name, _value(value)) for name, value in form.multi_items()]
    raise Refused(INVALID_PARAMETER, "Send the answers as a form: url-encoded or multipart.")


def _value(value: Any) -> str:
    # A file's content is no answer; its name tells the requester that one was tried.
    return (value.filename or "") if isinstance(value, UploadFile) else str(value)
