"""HEAD: what GET would answer, without its body. The framework has no such answer, and whoever may GET may HEAD."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

_ALLOW = b"allow"


def with_heads(app: ASGIApp) -> ASGIApp:
    """Let an application answer HEAD wherever it answers GET (RFC 9110, section 9.3.2); it costs what GET costs."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        is_head = scope.get("method") == "HEAD"

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                told = [(name, _with_head(value) if name == _ALLOW else value) for name, value in message["headers"]]
                await send({**message, "headers": told})
            elif not is_head or message["type"] != "http.response.body":
                await send(message)
            elif not message["more_body"]:
                await send({**message, "body": b""})

        asked = cast("Scope", {**scope, "method": "GET"}) if is_head else scope
        await app(asked, receive, send_on)

    return answer


def _with_head(methods: bytes) -> bytes:
    """Name HEAD among the methods that a path has, beside GET."""
    named = methods.split(b", ")
    return b", ".join(sorted({*named, b"HEAD"})) if b"GET" in named else methods
