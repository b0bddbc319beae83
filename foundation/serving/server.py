"""The HTTP server: granian, in this process' event loop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from typing import TYPE_CHECKING

import structlog
from granian.constants import Interfaces
from granian.server.embed import Server

from foundation.errors import PlainError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from litestar import Litestar

log = structlog.get_logger(__name__)

_CLOSE_SECONDS = 2
_OPEN_SECONDS = 30.0


def check_address(host: str, port: int) -> str:
    """Return the numeric address of a host that this machine can listen on at this port.

    granian shares its port (SO_REUSEPORT), so two processes would answer in turns: it is tried without that first.

    Raises
    ------
    PlainError
        Where the host is unknown, or the port is taken or not allowed.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
        with socket.socket(family, kind) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # or a port just left would be refused
            trial.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            msg = f"port {port} on {host} is in use; choose another with --port, or stop what listens there"
        elif error.errno == errno.EACCES:
            msg = f"this user may not listen on port {port}; choose one from 1024 on with --port"
        else:
            msg = f"cannot listen on {host}, port {port}: {str(error.strerror).lower()}; choose another with --host"
        raise PlainError(msg) from error
    return str(address[0])


@contextlib.asynccontextmanager
async def serving(app: Litestar, host: str, port: int) -> AsyncIterator[None]:
    """Serve an application for as long as the context lasts; entered, it answers.

    Raises
    ------
    PlainError
        Where the address cannot be listened on, the application does not start, or the server ends by itself: then
        what runs within the context is cancelled.
    """
    address = check_address(host, port)
    within = asyncio.current_task()
    assert within is not None
    server = Server(
        app, address=address, port=port, interface=Interfaces.ASGI, websockets=False, backlog=1024, log_enabled=False
    )
    server.workers_kill_timeout = _CLOSE_SECONDS  # an open connection does not hold the stop up
    running = asyncio.ensure_future(server.serve())

    def cancel(_: asyncio.Future[None]) -> None:
        within.cancel()

    try:
        await _answers(address, port, running)
        running.add_done_callback(cancel)
        yield
    except asyncio.CancelledError:
        if not running.done():
            raise
        within.uncancel()
        raise PlainError(f"the server on {address}, port {port} ended by itself; the log says more") from None
    finally:
        running.remove_done_callback(cancel)
        server.stop()  # type: ignore[no-untyped-call] # granian is typed in part
        try:
            await asyncio.wait_for(running, _CLOSE_SECONDS * 2)
        except TimeoutError:
            log.warning("a request was cut off, as it did not end in time", seconds=_CLOSE_SECONDS)
        except Exception:
            log.exception("the server failed")


async def _answers(address: str, port: int, running: asyncio.Future[None]) -> None:
    async with asyncio.timeout(_OPEN_SECONDS):
        while True:
            if running.done():
                running.result()
                raise PlainError(f"the server on {address}, port {port} ended as soon as it was started")
            try:
                _, writer = await asyncio.open_connection(address, port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                return
