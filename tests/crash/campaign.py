"""A campaign: jobs one after the other, processes killed at random moments and at named points, the books compared."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.crash.estate import Estate
from tests.crash.story import end, interfere, launch

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass
class Report:
    """What happened: deaths at named points by point and process, at random by process, and what the audit found."""

    seed: int
    apart: bool
    seconds: float = 0.0
    hits: list[dict[str, str | int]] = field(default_factory=list)
    random_kills: dict[str, int] = field(default_factory=dict)
    discrepancies: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


async def one_job(
    folder: Path,
    dsns: tuple[str, str],
    ports: tuple[int, int],
    *,
    seed: int,
    n_items: int,
    only: Sequence[str] | None = None,
    every: float | None = None,
    broken_outbox: bool = False,
    interfering: bool = True,
    seconds: float = 600,
) -> Report:
    """Run one job through to its end and compare the books.

    Parameters
    ----------
    only
        The points to die at; None is all, each of which has to be hit.
    every
        Seconds between two kills at random moments, on average; None is no such kills.
    interfering
        Whether somebody suspends a worker, pauses and resumes.
    """
    started, estate = time.monotonic(), Estate(folder, *dsns, ports, only, broken_outbox)
    report, kills = Report(seed, apart=len(estate.roles) > 1), Counter[str]()
    async with estate.running(n_workers=6) as client:
        killer = asyncio.create_task(estate.kill_at_random(random.Random(seed), every, kills))
        try:
            job_id = await launch(estate, client, n_items)
            if interfering:
                await interfere(estate, client, job_id)
            estate.let_work()
        finally:
            killer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await killer
        await end(estate, client, job_id, seconds=seconds)
    report.hits = [{"point": point, "process": name, "pid": pid} for point, name, pid in estate.book.hits()]
    report.random_kills = dict(kills)
    report.discrepancies = await estate.audit()
    report.seconds = round(time.monotonic() - started, 1)
    return report
