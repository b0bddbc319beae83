"""An Assay of one's own: `assay up` as a process in a data folder, reached as anybody would reach it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from foundation.errors import PlainError

_START_SECONDS = 90
_STOP_SECONDS = 15


class TrialError(PlainError):
    """A trial cannot go on; the message says why."""


class House:
    """`assay up` in a data folder, with a key to its API.

    Parameters
    ----------
    data : Path
        The data folder; it is made where there is none, and kept.
    env : mapping, optional
        Settings of this house by their environment names, over those of this process.
    """

    def __init__(self, data: Path, *, env: Mapping[str, str] | None = None) -> None:
        self.data = data
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._env = {**_without_assay(os.environ), **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._client: httpx.Client | None = None

    @property
    def log(self) -> Path:
        """Where the house's log goes: beside the data folder, which belongs to the database's user."""
        return self.data.parent / f"{self.data.name}.log"

    @property
    def crowd_log(self) -> Path:
        """Where a crowd's log goes."""
        return self.data.parent / f"{self.data.name}.crowd.log"

    def __enter__(self) -> Self:
        try:
            self.start()
            key = self.assay("key", "create", "--name", "trial", "--json")["key"]
        except BaseException:
            self.__exit__(None, None, None)
            raise
        self._client = httpx.Client(base_url=f"{self.url}/v1", headers={"Authorization": f"Bearer {key}"}, timeout=120)
        return self

    def start(self) -> None:
        """Start the process, and wait until it is ready."""
        self.data.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - ourselves
                [*_ASSAY, "up", *self._where(), "--port", str(self.port)],
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches us, and we stop it when we are ready
            )
        self._wait_until_ready()

    def kill(self) -> None:
        """Kill the process as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._client.close()
        stop(self._process, _STOP_SECONDS)

    def assay(self, *args: str) -> Any:
        """Run an assay command that works on the data folder, and return what it prints where that is JSON."""
        ran = subprocess.run(  # noqa: S603 - ourselves
            [*_ASSAY, *args, *self._where()],
            env={**self._env, "ASSAY_PUBLIC_URL": self.url},
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode:
            raise TrialError(f"assay {' '.join(args)} failed: {ran.stderr.strip()[-500:]}")
        return json.loads(ran.stdout) if "--json" in args else None

    def api(self, method: str, path: str, **request: Any) -> Any:
        """Call the API and return the JSON of its answer."""
        return self.request(method, path, **request).json()

    def request(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Call the API; a refusal ends the trial with the problem's own words."""
        assert self._client is not None
        try:
            answer = self._client.request(method, path, **request)
        except httpx.HTTPError as error:
            raise TrialError(f"{method} {path}: {error}; the log is {self.log}") from None
        if answer.is_error:
            raise TrialError(f"{method} {path} was refused ({answer.status_code}): {answer.text[:1000]}")
        return answer

    def invite(self, count: int) -> list[str]:
        """Invite workers to the worker site; returns a link for each."""
        return [row["link"] for row in self.assay("marketplace", "invite", "--count", str(count), "--json")]

    def _where(self) -> Sequence[str]:
        return ("--data", str(self.data))

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self._process is not None and self._process.poll() is not None:
                raise TrialError(f"assay up ended at once; its log, {self.log}, ends: {tail(self.log)}")
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/ready", timeout=2).is_success:
                    return
            time.sleep(0.1)
        raise TrialError(f"assay up did not get ready in {_START_SECONDS} s; its log is {self.log}")


@contextlib.contextmanager
def crowd(log: Path, *args: str) -> Iterator[subprocess.Popen[bytes]]:
    """Let a simulated crowd loose for as long as the block lasts; what it says goes to the log."""
    with log.open("ab") as lines:
        process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", "simulation", *args],
            stdin=subprocess.DEVNULL,
            stdout=lines,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        stop(process, _STOP_SECONDS)


def stop(process: subprocess.Popen[Any] | None, seconds: float) -> None:
    """Ask a process to stop, and end it where it does not in time."""
    if process is None or process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


_ASSAY = (sys.executable, "-c", "from service.cli import main; main()")


def _without_assay(env: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without settings of ours: a trial is the same wherever it is run."""
    return {name: value for name, value in env.items() if not name.startswith("ASSAY_") and name != "DATABASE_URL"}


def tail(path: Path) -> str:
    """Return the last lines of a log as one."""
    lines = path.read_text("utf-8", errors="replace").strip().splitlines()
    return " / ".join(lines[-3:]) or "(empty)"
