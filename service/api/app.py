"""The API: its routes under /v1, each with its scope."""

from __future__ import annotations

from typing import Any

from litestar import Request, Router
from litestar.di import Provide

from service.api import (
    answers,
    auth,
    documents,
    estimates,
    items,
    job_actions,
    jobs,
    keys,
    labels,
    progress,
    uploads,
    workers,
)
from service.api.problems import HANDLERS
from service.app import Service
from service.store.keys import Caller

_BY_TAG = {
    "jobs": (jobs, job_actions, estimates, progress),
    "items": (uploads, items),
    "results": (labels, answers, workers),
    "keys": (keys,),
    "description": (documents,),
}


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
        exception_handlers=HANDLERS,
    )
