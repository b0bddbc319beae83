"""HEAD: what GET would answer, without its body. The framework has no such answer, and whoever may GET may HEAD."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send


def with_heads(app: ASGIApp) -> ASGIApp:
    """Let an application answer HEAD wherever it answers GET (RFC 9110, section 9.3.2); it costs what GET costs."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("method") != "HEAD":
            await app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] != "http.response.body":
                await send(message)
            elif not message["more_body"]:
                await send({**message, "body": b""})

        await app(cast("Scope", {**scope, "method": "GET"}), receive, send_head)

    return answer
