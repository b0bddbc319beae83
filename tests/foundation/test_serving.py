"""Serving: what every process answers, what holds a stop up and what does not."""

from __future__ import annotations

import asyncio
import socket

import httpx
import pytest
from litestar import Response, get, post
from litestar.response import Stream
from structlog.testing import capture_logs

from foundation.errors import PlainError
from foundation.serving.application import create_application
from foundation.serving.server import serving


@pytest.fixture
def port():
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


@get("/fail")
async def fail() -> str:
    raise LookupError("hush")


@get("/half")
async def half() -> Stream:
    async def body():
        yield b"half"
        raise LookupError("hush")

    return Stream(body())


async def fine() -> None:
    return None


async def behind() -> str:
    return "at migration 1, 2 is expected"


async def broken() -> None:
    raise OSError("postgresql://u:hush@h/d")


async def ask(port, path):
    async with httpx.AsyncClient() as client:
        return await client.get(f"http://127.0.0.1:{port}{path}")


async def test_probes_tell_life_from_readiness(port):
    async with serving(create_application([], checks={"a": fine}), "127.0.0.1", port):
        assert (await ask(port, "/health")).json() == {"status": "alive"}
        ready = await ask(port, "/ready")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "missing": {}})

    async with serving(create_application([], checks={"a": behind, "b": broken, "c": fine}), "127.0.0.1", port):
        assert (await ask(port, "/health")).status_code == 200
        ready = await ask(port, "/ready")
    assert ready.status_code == 503
    assert ready.json()["missing"] == {"a": "at migration 1, 2 is expected", "b": "it cannot be reached"}


async def test_a_failure_shows_nothing_of_itself_and_is_counted(port):
    async with serving(create_application([fail], checks={}), "127.0.0.1", port):
        answer = await ask(port, "/fail")
        metrics = await ask(port, "/metrics")
    assert answer.status_code == 500
    assert "hush" not in answer.text
    assert 'assay_request_seconds_count{method="GET",path="/fail",status="500"} 1.0' in metrics.text


async def test_an_answer_that_fails_half_way_is_broken_off_and_logged(port):
    """Its status has been sent: without the last chunk of the body, no client takes it for whole."""
    async with serving(create_application([half], checks={}), "127.0.0.1", port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /half HTTP/1.1\r\nHost: assay\r\n\r\n")
        with capture_logs() as logged:
            answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\n4\r\nhalf\r\n"), "there is no chunk of length 0"
    [error] = [line for line in logged if line["log_level"] == "error"]
    assert (error["event"], error["path"]) == ("an answer was cut off", "/half")
    assert "hush" in repr(error["exc_info"].__cause__)


async def test_head_answers_what_get_would_without_its_body(port):
    @get("/parts")
    async def parts() -> Stream:
        return Stream(iter([b"one", b"two"]))

    @post("/only")
    async def only() -> None:
        return None

    async with (
        serving(create_application([parts, only], checks={}), "127.0.0.1", port),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        for path in ("/health", "/parts", "/nowhere", "/health"):
            got, head = await client.get(path), await client.head(path)
            assert (head.status_code, head.content) == (got.status_code, b"")
            kept = ("content-type", "content-length")
            assert [head.headers.get(name) for name in kept] == [got.headers.get(name) for name in kept]
        refused = await client.head("/only")
        assert (refused.status_code, set(refused.headers["allow"].split(", "))) == (405, {"OPTIONS", "POST"})
        assert "HEAD" in (await client.put("/parts")).headers["allow"]


async def test_a_port_that_is_taken_is_refused(port):
    app = create_application([], checks={})
    async with serving(app, "127.0.0.1", port):
        with pytest.raises(PlainError, match=f"port {port} on localhost is in use; choose another with --port"):
            async with serving(app, "localhost", port):
                pass


@pytest.mark.parametrize("host", ["198.51.100.1", "no-such-host.invalid"])
async def test_an_address_that_is_not_ours_is_refused(port, host):
    with pytest.raises(PlainError, match=f"cannot listen on {host}, port {port}: .*; choose another with --host"):
        async with serving(create_application([], checks={}), host, port):
            pass


async def test_a_request_that_never_ends_does_not_hold_the_stop_up(port):
    entered = asyncio.Event()

    @get("/forever")
    async def forever() -> Response[str]:
        entered.set()
        await asyncio.Event().wait()
        return Response("")

    async with serving(create_application([forever], checks={}), "127.0.0.1", port):
        request = asyncio.create_task(ask(port, "/forever"))
        await entered.wait()
    request.cancel()
    with pytest.raises((asyncio.CancelledError, httpx.TransportError)):
        await request


async def test_a_server_that_ends_by_itself_ends_what_runs_within(port, monkeypatch):
    from granian.server.embed import Server

    made = []
    start = Server.serve

    async def remember(self, *args):
        made.append(self)
        await start(self, *args)

    async def serve_and_end() -> None:
        async with serving(create_application([], checks={}), "127.0.0.1", port):
            made[0].stop()
            await asyncio.Event().wait()

    monkeypatch.setattr(Server, "serve", remember)
    with pytest.raises(PlainError, match="ended by itself"):
        await serve_and_end()
