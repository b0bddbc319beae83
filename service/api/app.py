"""The API: its routes under /v1, each with its scope."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, Router
from litestar.di import Provide

from service.api import (
    agreement,
    answers,
    assignments,
    auth,
    bank_copies,
    bank_flags,
    documents,
    dry_runs,
    estimates,
    gold,
    gold_banks,
    gold_candidates,
    gold_decisions,
    gold_flags,
    gold_verdicts,
    items,
    job_actions,
    jobs,
    keys,
    labels,
    progress,
    runs,
    signs,
    trust,
    trust_rules,
    uploads,
    workers,
)
from service.api.problems import HANDLERS
from service.app import Service
from service.store.keys import Caller

_BY_TAG = {
    "jobs": (jobs, job_actions, estimates, progress),
    "items": (
        uploads,
        items,
        gold,
        gold_flags,
        gold_candidates,
        gold_verdicts,
        gold_decisions,
        gold_banks,
        bank_copies,
        bank_flags,
    ),
    "results": (labels, runs, answers, assignments, agreement, workers, trust, signs, dry_runs, trust_rules),
    "keys": (keys,),
    "description": (documents,),
}


async def _answer_options(request: Request[Any, Any, Any]) -> Response[None] | None:
    """Name all methods of a path; the framework's own answer names those of one handler."""
    if request.method != "OPTIONS":
        return None
    path = request.scope["path_template"]
    methods = {method for route in request.app.routes if route.path_format == path for method in route.methods}
    return Response(None, status_code=204, headers={"Allow": ", ".join(sorted(methods))})


def create_router(service: Service) -> Router:
    """Return the router of the API.

    An application that mounts it also needs `problems.APP_HANDLERS`, for paths and methods that no route has, and no
    OpenAPI configuration of its own: the document is served at /v1/openapi.json.
    """

    def the_service() -> Service:
        return service

    def the_caller(request: Request[Any, Any, Any]) -> Caller:
        return auth.caller_of(request)

    return Router(
        "/v1",
        route_handlers=[
            Router("/", route_handlers=[handler for module in modules for handler in module.HANDLERS], tags=[tag])
            for tag, modules in _BY_TAG.items()
        ],
        guards=[auth.guard(service)],
        dependencies={
            "service": Provide(the_service, sync_to_thread=False),
            "caller": Provide(the_caller, sync_to_thread=False),
        },
        before_request=_answer_options,
        exception_handlers=HANDLERS,
    )
