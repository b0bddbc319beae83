"""A campaign: jobs one after the other, processes killed at random moments and at named points, the books compared."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.crash.estate import Estate, RandomKill
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
    random_kills: list[RandomKill] = field(default_factory=list)
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
        Seconds between the first kills at random moments, on average; None is no such kills. They go on until the job
        is done, each wait a little longer, so that it ends.
    interfering
        Whether somebody suspends a worker, pauses and resumes.
    """
    started, estate = time.monotonic(), Estate(folder, *dsns, ports, only, broken_outbox)
    report = Report(seed, apart=len(estate.roles) > 1)
    async with estate.running(n_workers=6) as client, asyncio.TaskGroup() as group:
        killing = []
        if every is not None:
            killing = [group.create_task(estate.kill_at_random(random.Random(seed), every, report.random_kills))]
        job_id = await launch(estate, client, n_items)
        if interfering:
            await interfere(estate, client, job_id)
        estate.let_work()
        await end(estate, client, job_id, seconds=seconds)
        for killer in killing:
            killer.cancel()
    report.hits = [{"point": point, "process": name, "pid": pid} for point, name, pid in estate.book.hits()]
    report.discrepancies = await estate.audit()
    report.seconds = round(time.monotonic() - started, 1)
    return report
