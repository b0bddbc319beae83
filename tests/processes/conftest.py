"""Processes as an operator starts them: the assay command, with settings of its own and none of ours."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ASSAY = [sys.executable, "-c", "from service.cli import main; main(prog_name='assay')"]
START_SECONDS = 120
STOP_SECONDS = 10


class Process:
    """A running assay command whose output is kept."""

    def __init__(self, folder: Path, args: list[str], env: dict[str, str]) -> None:
        self._output = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - it lives as long as this does
        self.popen = subprocess.Popen(
            [*ASSAY, *args],
            cwd=folder,
            env=clean_environment(folder) | env,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    @property
    def output(self) -> str:
        self._output.seek(0)
        return self._output.read().decode()

    def wait_until_ready(self, port: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.popen.poll() is None:
            try:
                if httpx.get(f"http://127.0.0.1:{port}/ready").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"not ready: {self.output}")

    def wait_until_it_says(self, words: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while words not in self.output:
            assert self.popen.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGINT) -> int:
        """Ask it to stop, and return its exit code; it is an error if that takes longer than is promised."""
        self.popen.send_signal(number)
        return self.popen.wait(STOP_SECONDS)

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()


def clean_environment(folder: Path) -> dict[str, str]:
    """Return our environment without Assay's settings, and with a home in the folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
    kept.pop("DATABASE_URL", None)
    kept.setdefault("NUMBA_CACHE_DIR", "")
    if not kept["NUMBA_CACHE_DIR"]:
        del kept["NUMBA_CACHE_DIR"]
    return kept | {"XDG_STATE_HOME": str(folder / "state")}


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder that every user can reach: pytest's own are closed to the user that Postgres runs as."""
    folder = Path(tempfile.mkdtemp(prefix="assay-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., Process]]:
    """Start processes that end with the test."""
    started: list[Process] = []

    def begin(*args: str, **env: str) -> Process:
        started.append(Process(folder, list(args), env))
        return started[-1]

    yield begin
    for process in started:
        if process.popen.poll() is None:
            process.popen.terminate()
            try:
                process.popen.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture
def run(folder: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command to its end."""

    def go(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*ASSAY, *args],
            cwd=folder,
            env=clean_environment(folder) | env,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )

    return go
