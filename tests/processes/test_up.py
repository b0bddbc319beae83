"""`assay up`: everything from nothing, stopped and killed and started again."""

from __future__ import annotations

import json
import re
import signal
import socket
from pathlib import Path

import httpx
import pytest

from tests.processes.conftest import free_port


def server_pid(data: Path) -> int | None:
    file = data / "postgres" / "postmaster.pid"
    return int(file.read_text().split()[0]) if file.exists() else None


def said_key(output: str) -> str | None:
    found = re.search(r"API key: (assay_\S+)", output)
    return found[1] if found else None


def test_it_starts_from_nothing_shows_its_key_once_stops_cleanly_and_carries_on(folder, start, run):
    data, port = folder / "data", free_port()
    base = f"http://127.0.0.1:{port}"
    up = start("up", "--data", str(data), "--port", str(port))
    up.wait_until_ready(port)
    up.wait_until_it_says("API key")

    key = said_key(up.output)
    assert key is not None
    bearer = {"Authorization": f"Bearer {key}"}
    assert httpx.get(f"{base}/v1/jobs", headers=bearer).status_code == 200
    assert httpx.get(f"{base}/v1/jobs").status_code == 401
    assert httpx.get(f"{base}/health").json() == {"status": "alive"}
    assert httpx.get(f"{base}/worker", follow_redirects=True).status_code == 200
    metrics = httpx.get(f"{base}/metrics").text
    assert "assay_request_seconds_count" in metrics
    assert "process_resident_memory_bytes" in metrics

    # Another command attaches to the same database, and leaves it running.
    pid = server_pid(data)
    made = json.loads(run("key", "create", "--data", str(data), "--scope", "jobs:read", "--json").stdout)
    assert server_pid(data) == pid
    assert httpx.get(f"{base}/v1/jobs", headers={"Authorization": f"Bearer {made['key']}"}).status_code == 200

    assert up.stop(signal.SIGINT) == 0
    assert server_pid(data) is None
    assert "Traceback" not in up.output

    again = start("up", "--data", str(data), "--port", str(port))
    again.wait_until_ready(port)
    again.wait_until_it_says("API key")
    assert said_key(again.output) is None
    assert httpx.get(f"{base}/v1/jobs", headers=bearer).status_code == 200
    assert again.stop(signal.SIGTERM) == 0
    assert server_pid(data) is None


def test_after_a_kill_it_starts_again_on_the_server_that_was_left(folder, start):
    data, port = folder / "data", free_port()
    up = start("up", "--data", str(data), "--port", str(port))
    up.wait_until_ready(port)
    up.wait_until_it_says("API key")
    key = said_key(up.output)
    pid = server_pid(data)
    up.kill()

    again = start("up", "--data", str(data), "--port", str(port))
    again.wait_until_ready(port)
    assert server_pid(data) == pid
    headers = {"Authorization": f"Bearer {key}"}
    assert httpx.get(f"http://127.0.0.1:{port}/v1/jobs", headers=headers).status_code == 200
    assert again.stop() == 0
    assert server_pid(data) is None


def test_a_request_log_holds_neither_query_nor_invitation(folder, start):
    data, port = folder / "data", free_port()
    up = start("up", "--data", str(data), "--port", str(port), ASSAY_LOG_LEVEL="debug", ASSAY_LOG_FORMAT="json")
    up.wait_until_ready(port)
    httpx.get(f"http://127.0.0.1:{port}/worker/join/an-invitation?workerId=A1B2C3D4E5F6G7")
    httpx.post(f"http://127.0.0.1:{port}/v1/jobs", content=b'{"private": 1}', headers={"Authorization": "Bearer hush"})
    assert up.stop() == 0
    assert "/worker/join/" in up.output
    for secret in ("an-invitation", "A1B2C3D4E5F6G7", "private", "hush"):
        assert secret not in up.output


def test_a_port_that_is_taken_is_refused_in_one_line_before_anything_is_made(folder, run):
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as another Assay would have it
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        refused = run("up", "--data", str(folder / "data"), "--port", str(port))
    assert (refused.returncode, refused.stderr) == (
        2,
        f"assay: port {port} on 127.0.0.1 is in use; choose another with --port, or stop what listens there\n",
    )
    assert not (folder / "data").exists()


@pytest.mark.parametrize(
    ("args", "env", "message"),
    [
        (["up"], {"ASSAY_PORT": "http"}, "setting port (from ASSAY_PORT): expected a whole number, got 'http'"),
        (
            ["up", "--port", "0"],
            {},
            "setting port (from --port): expected a whole number >= 1, got 0",
        ),
        (
            ["serve"],
            {},
            "'assay serve' needs DATABASE_URL; 'assay up' runs everything, with a Postgres of its own",
        ),
        (
            ["work"],
            {"DATABASE_URL": "postgresql://127.0.0.1:1/labels"},
            (
                "market 'house' is 'embedded', which 'assay up' alone runs; set markets.house.endpoint "
                "(ASSAY_MARKETS__HOUSE__ENDPOINT) to the marketplace's address, and its keys"
            ),
        ),
        (
            ["up", "--config", "nowhere.toml"],
            {},
            "cannot read the settings file nowhere.toml: No such file or directory",
        ),
    ],
)
def test_what_is_set_wrongly_is_one_line_and_exit_code_2(run, args, env, message):
    ended = run(*args, **env)
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", f"assay: {message}\n")


@pytest.mark.parametrize("command", ["serve", "up", "marketplace", "key create"])
def test_a_database_that_is_not_there_is_one_line_without_its_password(run, command):
    ended = run(*command.split(), DATABASE_URL="postgresql://ada:hush@127.0.0.1:1/labels", ASSAY_PORT=str(free_port()))
    assert ended.returncode == 2
    assert ended.stderr.startswith("assay: cannot reach the database at 127.0.0.1:1/labels: ")
    assert ended.stderr.count("\n") == 1
    assert "hush" not in ended.stderr
