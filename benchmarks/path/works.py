"""The works: Postgres and the processes of Assay, as an operator would start them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import httpx

from benchmarks.path.cpu import seconds_of, seconds_of_tree
from foundation.postgres.embedded import EmbeddedPostgres
from service.cli.trial.house import free_port, stop

_ASSAY = (sys.executable, "-c", "from service.cli import main; main()")
_START_SECONDS = 90
_STOP_SECONDS = 15
_DEPOSIT_CENTS = 10_000_000_000
_METRIC = re.compile(r"^(\w+)(?:\{([^}]*)\})? (\S+)$", re.MULTILINE)


class Works:
    """A server of Postgres in a temporary folder, the API, the marketplace, and workers of the pipeline.

    Attributes
    ----------
    dsn : str
        The database that all of them share.
    api : httpx.Client
        The API, with a key.
    market : str
        Where the marketplace is.
    keys : dict
        ``access_key`` and ``secret_key`` of the requester.

    Parameters
    ----------
    warm : bool
        Compile all kernels first, as an installation does; otherwise each is compiled when it is first needed.
    """

    def __init__(self, *, warm: bool = True) -> None:
        self._warm = warm

    def __enter__(self) -> Self:
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            folder = Path(tempfile.mkdtemp(prefix="assay-path-", dir="/tmp"))
            folder.chmod(0o755)  # Postgres runs as another user where we are root
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            self.folder = folder
            if self._warm:
                subprocess.run([sys.executable, "-m", "aggregation.warm"], check=True)
            self._server = EmbeddedPostgres(folder / "data")
            self.dsn = stack.enter_context(self._server)
            self._postgres = int((folder / "data" / "postgres" / "postmaster.pid").read_text().split()[0])
            self._env = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")} | {
                "DATABASE_URL": self.dsn,
                "ASSAY_DATA": str(folder / "data"),
                "ASSAY_LOG_LEVEL": "warning",
                "ASSAY_MARKETPLACE__OPENING_DEPOSIT_CENTS": str(_DEPOSIT_CENTS),
            }
            self._processes: dict[str, tuple[subprocess.Popen[bytes], int]] = {}
            stack.callback(self._stop, "")
            self._start("marketplace", "marketplace")
            self._start("serve", "serve")
            self._wait("marketplace")
            self._wait("serve")
            self.market = f"{self._url('marketplace')}/mturk"
            create = ("key", "create", "--json")
            with ThreadPoolExecutor() as threads:
                of_market, of_api = threads.map(lambda args: self._assay(*args), [("marketplace", *create), create])
            self.keys: dict[str, str] = of_market
            key = of_api["key"]
            self.api = stack.enter_context(
                httpx.Client(
                    base_url=f"{self._url('serve')}/v1", headers={"Authorization": f"Bearer {key}"}, timeout=300
                )
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def call(self, method: str, path: str, **request: Any) -> Any:
        """Call the API; a refusal ends the benchmark with its words."""
        answer = self.api.request(method, path, **request)
        if answer.is_error:
            raise SystemExit(f"{method} {path}: {answer.status_code} {answer.text[:1000]}")
        return answer.json()

    @contextlib.contextmanager
    def work(self, count: int) -> Any:
        """Run so many `assay work` for as long as the block lasts."""
        house = "ASSAY_MARKETS__HOUSE__"
        market = {f"{house}ENDPOINT": self.market} | {
            f"{house}{name.upper()}": self.keys[name] for name in ("access_key", "secret_key")
        }
        try:
            for number in range(count):
                self._start(f"work-{number}", "work", "--probes", **market)
            for number in range(count):
                self._wait(f"work-{number}")
            yield
        finally:
            self._stop("work-")

    def cpu(self) -> dict[str, float]:
        """Return the CPU seconds used so far by Postgres, by what serves HTTP, by boto3 and by the pipeline."""
        at_work = [name for name in self._processes if name.startswith("work-")]
        work = sum(seconds_of(self._processes[name][0].pid) for name in at_work)
        boto3 = sum(self.metric(name, "assay_market_cpu_seconds_total") for name in at_work)
        serving = sum(seconds_of(self._processes[name][0].pid) for name in ("serve", "marketplace"))
        return {
            "postgres": seconds_of_tree(self._postgres),
            "http": serving,
            "boto3": boto3,
            "pipeline": work - boto3,
        }

    def stages(self) -> dict[str, float]:
        """Return the seconds that each stage of the pipeline has taken so far, waiting included."""
        found: dict[str, float] = {}
        for name in self._processes:
            if name.startswith("work-"):
                for labels, value in self._metrics(name, "assay_stage_seconds_sum"):
                    stage = labels.split('"')[1]
                    found[stage] = found.get(stage, 0.0) + value
        return found

    def market_calls(self) -> dict[str, float]:
        """Return the CPU seconds that boto3 has used so far, by operation."""
        found: dict[str, float] = {}
        for name in self._processes:
            if name.startswith("work-"):
                for labels, value in self._metrics(name, "assay_market_cpu_seconds_total"):
                    operation = labels.split('"')[1]
                    found[operation] = found.get(operation, 0.0) + value
        return found

    def metric(self, process: str, metric: str) -> float:
        """Return the sum of a metric of a process over its labels."""
        return sum(value for _, value in self._metrics(process, metric))

    def _metrics(self, process: str, metric: str) -> list[tuple[str, float]]:
        text = httpx.get(f"{self._url(process)}/metrics").text
        return [(labels, float(value)) for name, labels, value in _METRIC.findall(text) if name == metric]

    def _assay(self, *args: str) -> Any:
        ran = subprocess.run([*_ASSAY, *args], env=self._env, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise SystemExit(f"assay {' '.join(args)}: {ran.stderr.strip()[-500:]}")
        return json.loads(ran.stdout)

    def _start(self, name: str, *args: str, **env: str) -> None:
        port = free_port()
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [*_ASSAY, *args, "--port", str(port)],
                env=self._env | env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes[name] = process, port

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._processes[name][1]}"

    def _wait(self, name: str) -> None:
        process, deadline = self._processes[name][0], time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self._url(name)}/ready", timeout=2).is_success:
                    return
            time.sleep(0.02)
        raise SystemExit(f"{name} did not get ready: {(self.folder / f'{name}.log').read_text()[-1000:]}")

    def _stop(self, prefix: str) -> None:
        for name in [name for name in self._processes if name.startswith(prefix)]:
            stop(self._processes.pop(name)[0], _STOP_SECONDS)
