"""The application around the routers: liveness, readiness, metrics, and a log line a request without its content."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import structlog
from litestar import Litestar, MediaType, Response, get
from litestar.enums import ScopeType
from litestar.status_codes import HTTP_200_OK, HTTP_500_INTERNAL_SERVER_ERROR, HTTP_503_SERVICE_UNAVAILABLE
from prometheus_client import Histogram

from foundation.serving.heads import with_heads
from foundation.telemetry import REGISTRY, render_metrics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from litestar.types import ASGIApp, ControllerRouterHandler, ExceptionHandlersMap, Message, Receive, Scope, Send

    Check = Callable[[], Awaitable[str | None]]

log = structlog.get_logger(__name__)

REQUEST_SECONDS = Histogram(
    "assay_request_seconds", "Time until a request was answered.", ["method", "path", "status"], registry=REGISTRY
)


def create_application(
    handlers: Sequence[ControllerRouterHandler],
    *,
    checks: Mapping[str, Check],
    exception_handlers: ExceptionHandlersMap | None = None,
) -> Litestar:
    """Put an application together.

    Parameters
    ----------
    handlers : sequence
        The routers.
    checks : mapping
        What readiness rests on, by name. Each returns None, or a line that says what is missing.
    exception_handlers : mapping, optional
        How errors outside the routers' own are answered, such as a path that no route has.
    """

    @get("/health", include_in_schema=False, media_type=MediaType.JSON)
    async def health() -> dict[str, str]:
        return {"status": "alive"}

    @get("/ready", include_in_schema=False, media_type=MediaType.JSON)
    async def ready() -> Response[dict[str, Any]]:
        missing = {name: problem for name, check in checks.items() if (problem := await _run(name, check))}
        status = HTTP_503_SERVICE_UNAVAILABLE if missing else HTTP_200_OK
        return Response({"status": "not ready" if missing else "ready", "missing": missing}, status_code=status)

    @get("/metrics", include_in_schema=False)
    async def metrics() -> Response[bytes]:
        content, media_type = render_metrics()
        return Response(content, media_type=media_type)

    app = Litestar(
        [health, ready, metrics, *handlers],
        middleware=[_note],
        openapi_config=None,
        exception_handlers=exception_handlers,
        logging_config=None,  # logging is the process' own, and the framework's would log bodies
        after_exception=[_log_unexpected],
        debug=False,
    )
    app.asgi_handler = with_heads(app.asgi_handler)  # before routing, which knows a path by its methods
    return app


async def _run(name: str, check: Check) -> str | None:
    try:
        return await check()
    except Exception as error:  # noqa: BLE001 - whatever it is, the answer is "not ready"
        log.warning("a readiness check failed", check=name, error=str(error))
        return "it cannot be reached"


def _note(app: ASGIApp) -> ASGIApp:
    """Time and log each request by its route: a path itself may hold an invitation or an assignment's id."""

    async def noted(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        method = str(scope.get("method"))
        path = scope.get("path_template") or "(none)"
        started = time.perf_counter()
        status = HTTP_500_INTERNAL_SERVER_ERROR

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await app(scope, receive, note_status)
        except Exception as error:
            # An answer had begun, or it would have become one that tells of it. What is raised here makes the server
            # close the connection without an end of the body, so that nobody takes it for whole.
            log.exception("an answer was cut off", method=method, path=path, exc_info=error)
            raise
        finally:
            seconds = time.perf_counter() - started
            REQUEST_SECONDS.labels(method=method, path=path, status=status).observe(seconds)
            write = log.warning if status >= HTTP_500_INTERNAL_SERVER_ERROR else log.debug
            write("request", method=method, path=path, status=status, seconds=round(seconds, 4))

    return noted


async def _log_unexpected(error: Exception, scope: Scope) -> None:
    if getattr(error, "status_code", HTTP_500_INTERNAL_SERVER_ERROR) >= HTTP_500_INTERNAL_SERVER_ERROR:
        path = scope.get("path_template") or "(none)"
        log.error("a request failed", method=scope.get("method"), path=path, exc_info=error)
