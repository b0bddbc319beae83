"""An Assay in processes that die: apart or all in one, on real databases, with a crowd that does not give up."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from foundation.clock import SystemClock
from foundation.postgres.migrations import migrate
from foundation.postgres.pool import create_pool
from foundation.settings import MarketplaceSettings
from marketplace.accounts import ensure_requester
from marketplace.installation import load_installation_key
from marketplace.store import workers
from service.cli.running.first_start import make_key
from simulation.browser import Browser, Refused, Task, Unreachable
from simulation.crowd import open_connections
from tests.books import books
from tests.crash.points import Book

ROOT = Path(__file__).parents[2]
LABELS = ("ant", "bee", "cat")
# What the marketplace does to every caller, all the time. Rules live in a process and are given to each new one.
BAD_DAY = [
    {"operation": "ApproveAssignment", "kind": "refuse", "count": 1},
    # Twice a process: throttled at random for ever, the service would slow down to its least pace, as it should.
    {"operation": "*", "kind": "throttle", "probability": 0.02, "seed": 1, "count": 2},
    {"operation": "*", "kind": "drop", "probability": 0.03, "seed": 2},
    {"operation": "*", "kind": "drop_before", "probability": 0.02, "seed": 3},
    {"operation": "*", "kind": "fault_after", "probability": 0.03, "seed": 4},
    {"operation": "ListHITs", "kind": "omit", "probability": 0.1, "seed": 5},
    {"operation": "ListHITs", "kind": "repeat", "probability": 0.1, "seed": 6},
    {"operation": "ListAssignmentsForHIT", "kind": "second_worker", "probability": 0.4, "seed": 7, "text": "A0OTHER"},
]
# So much longer is each wait for a random kill than the one before, from the start and again from when the whole crowd
# works: what needs peace to come about gets it in the end.
PATIENCE = 1.1


@dataclass(frozen=True)
class RandomKill:
    """A process killed at a random moment, so many seconds after the first start; whether the whole crowd worked."""

    process: str
    pid: int
    at: float
    crowd: bool


@dataclass
class Estate:
    """Processes, their databases and what they are told.

    Parameters
    ----------
    folder
        Where books, pids and output go.
    service_dsn, marketplace_dsn
        The databases; all in one, they are one.
    ports
        Of the API and of the marketplace; all in one, they are one.
    only
        The points to die at; None is all.
    """

    folder: Path
    service_dsn: str
    marketplace_dsn: str
    ports: tuple[int, int]
    only: Sequence[str] | None = None
    broken_outbox: bool = False
    key: str = ""
    links: list[str] = field(default_factory=list)
    begun: list[asyncio.Event] = field(default_factory=list)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    dead: set[int] = field(default_factory=set)

    @property
    def roles(self) -> tuple[str, ...]:
        return ("up",) if self.ports[0] == self.ports[1] else ("serve", "work", "marketplace")

    @property
    def book(self) -> Book:
        return Book(self.folder / "book")

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}/v1"

    @property
    def market(self) -> str:
        return f"http://127.0.0.1:{self.ports[1]}"

    async def prepare(self, n_workers: int) -> dict[str, str]:
        """Make a key, a requester and workers; returns the settings of the processes."""
        clock, data = SystemClock(), self.folder / "data"
        data.mkdir()
        (self.folder / "pids").mkdir()
        await migrate(self.service_dsn, "service")
        await migrate(self.marketplace_dsn, "marketplace")
        service = await create_pool(self.service_dsn, min_size=1, max_size=1, schema="assay")
        async with service as pool, pool.acquire() as conn, conn.transaction():
            _, self.key = await make_key(conn, clock, team="default", name="crash")
        async with await create_pool(self.marketplace_dsn, min_size=1, max_size=1, schema="marketplace") as pool:
            access_key, secret = await ensure_requester(
                pool, key=load_installation_key(data, None), settings=MarketplaceSettings(), now=clock.now()
            )
            async with pool.acquire() as conn:
                invited = await workers.invite(conn, names=[""] * n_workers, now=clock.now())
        self.begun = [asyncio.Event() for _ in invited]
        self.links = [f"{self.market}/worker/join/{token}" for _, token in invited]
        env = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
        env |= {
            "PYTHONPATH": str(ROOT),
            "ASSAY_DATA": str(data),
            "ASSAY_LOG_LEVEL": "warning",
            "ASSAY_MARKETPLACE__MISBEHAVE": "true",
            "ASSAY_MARKETPLACE__SWEEP_EVERY": "0.5",
            "ASSAY_PIPELINE__COLLECT_EVERY": "0.2",
            "ASSAY_PIPELINE__SWEEP_EVERY": "1",
            "ASSAY_PIPELINE__INFER_DEBOUNCE": "0.05",
            "ASSAY_CRASH_BOOK": str(self.book.path),
            "ASSAY_CRASH_PIDS": str(self.folder / "pids"),
        }
        if self.only is not None:
            env["ASSAY_CRASH_ONLY"] = ",".join(self.only)
        if self.broken_outbox:
            env["ASSAY_CRASH_BROKEN_OUTBOX"] = "1"
        if len(self.roles) > 1:
            env |= {
                "ASSAY_MARKETS__HOUSE__ENDPOINT": f"{self.market}/mturk",
                "ASSAY_MARKETS__HOUSE__ACCESS_KEY": access_key,
                "ASSAY_MARKETS__HOUSE__SECRET_KEY": secret,
            }
        return env

    def start(self, env: dict[str, str]) -> None:
        for role in self.roles:
            port = self.ports[role == "marketplace"]
            dsn = self.marketplace_dsn if role == "marketplace" else self.service_dsn
            listening = [] if role == "work" else ["--port", str(port)]
            with (self.folder / f"{role}.log").open("wb") as log:
                self.processes[role] = subprocess.Popen(
                    [sys.executable, "-m", "tests.crash.process", role, *listening],
                    cwd=self.folder,
                    env=env | {"DATABASE_URL": dsn},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )

    def kill(self, role: str) -> int | None:
        """Kill what runs as this role now, which comes back by itself; returns its pid. None where nothing ran."""
        with contextlib.suppress(ProcessLookupError, FileNotFoundError, ValueError):
            pid = int((self.folder / "pids" / role).read_text())
            if pid not in self.dead | {pid for _, _, pid in self.book.hits()}:
                os.kill(pid, signal.SIGKILL)
                self.dead.add(pid)
                return pid
        return None

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def output(self) -> str:
        return "\n".join(f"--- {path.stem}\n{path.read_text()[-3000:]}" for path in sorted(self.folder.glob("*.log")))

    def check_alive(self) -> None:
        for role, process in self.processes.items():
            assert process.poll() is None, f"{role} ended with {process.returncode}\n{self.output()}"

    async def audit(self) -> list[str]:
        return await books(self.service_dsn, self.marketplace_dsn)

    @contextlib.asynccontextmanager
    async def running(self, n_workers: int) -> AsyncIterator[httpx.AsyncClient]:
        """Run processes, a bad day at the market and a crowd; gives a client of the API."""
        self.start(await self.prepare(n_workers))
        headers = {"Authorization": f"Bearer {self.key}"}
        try:
            async with httpx.AsyncClient(headers=headers, timeout=30) as client, asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._spoil_days())]
                tasks += [
                    group.create_task(work(link, number, begun))
                    for number, (link, begun) in enumerate(zip(self.links, self.begun, strict=True))
                ]
                yield client
                for task in tasks:
                    task.cancel()
        finally:
            self.stop()

    async def _spoil_days(self) -> None:
        """Tell every new process of the marketplace to misbehave."""
        role, told = self.roles[-1], ""
        async with httpx.AsyncClient() as client:
            while True:
                with contextlib.suppress(httpx.TransportError, FileNotFoundError):
                    pid = (self.folder / "pids" / role).read_text()
                    if pid != told:
                        (await client.post(f"{self.market}/mturk/_misbehave", json=BAD_DAY)).raise_for_status()
                        told = pid
                await asyncio.sleep(0.05)

    async def ask(self, client: httpx.AsyncClient, method: str, path: str, **request: Any) -> Any:
        """Ask the API until it answers: each of our requests may be made twice."""
        while True:
            self.check_alive()
            with contextlib.suppress(httpx.TransportError):
                answer = await client.request(method, f"{self.api}{path}", **request)
                if answer.status_code != 503:
                    return answer
            await asyncio.sleep(0.05)

    def let_work(self, n_workers: int | None = None) -> None:
        """Let workers begin: the first so many, or all."""
        for begun in self.begun[:n_workers]:
            begun.set()

    async def until(self, condition: Callable[[], Awaitable[bool]], what: str, *, seconds: float = 300) -> None:
        """Wait for a condition, with a deadline."""
        try:
            async with asyncio.timeout(seconds):
                while not await condition():
                    self.check_alive()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            hits = [point for point, _, _ in self.book.hits()]
            raise AssertionError(f"not within {seconds} s: {what}\n{self.output()}\nhit: {hits}") from None

    async def kill_at_random(self, random_: random.Random, every: float, kills: list[RandomKill]) -> None:
        """Kill a process at a random moment, again and again, and write down which."""
        started, wait, crowd = time.monotonic(), every, False
        while True:
            moment = random_.uniform(0, 2 * wait)
            if crowd:
                await asyncio.sleep(moment)
            else:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.begun[-1].wait(), moment)
                    crowd, wait = True, every
                    continue
            wait *= PATIENCE
            role = random_.choice(self.roles)
            pid = self.kill(role)
            if pid is not None:
                kills.append(RandomKill(role, pid, round(time.monotonic() - started, 1), crowd))


async def work(link: str, number: int, begun: asyncio.Event) -> None:
    """Be a worker, once told to begin: do whatever there is, err sometimes, and never give up."""
    await begun.wait()
    random_ = random.Random(number)
    connector = open_connections(2)
    browser = Browser(link.partition("/worker/")[0], link, connector)
    refused: set[str] = set()
    cut_off = False
    try:
        for turn in itertools.count():
            try:
                if cut_off:
                    for task in await browser.held():
                        await _finish(browser, task, random_)
                    cut_off = False
                for group in await browser.groups():
                    async for hits in browser.hits(group.link):
                        for hit in hits:
                            if hit not in refused:
                                await _do(browser, hit, random_, refused)
            except Refused:
                pass
            except Unreachable:
                cut_off = True
            await asyncio.sleep(0.05 + 0.02 * (turn % 5))
    finally:
        await browser.close()
        await connector.close()


async def _do(browser: Browser, hit: str, random_: random.Random, refused: set[str]) -> None:
    try:
        task = await browser.accept((await browser.preview(hit)).accept)
    except Refused as refusal:
        if refusal.reason == "done":  # what is full may be extended
            refused.add(hit)
        return
    await _finish(browser, task, random_)


async def _finish(browser: Browser, task: Task, random_: random.Random) -> None:
    page = await browser.read(task.frame)
    answers = {}
    for question in page.questions:
        shown = " ".join(question.content)
        right = next(label for label in LABELS if label in shown)
        label = right if random_.random() < 0.75 else random_.choice(LABELS)
        answers[question.name] = question.choices[label]
    await browser.submit(page, answers)
