"""Facts of a job that the pipeline would have stored: HITs, workers, answers, runs and a consensus."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from foundation.ids import new_id
from service.store import pace
from tests.api.conftest import Api, golds, items


class Facts:
    """Writes down what happened to a job, as the pipeline's own stores would."""

    def __init__(self, api: Api, conn: asyncpg.Connection, job_no: int) -> None:
        self._api, self._conn, self.job_no = api, conn, job_no
        self.now: datetime = api.service.clock.now()

    @classmethod
    async def of(cls, api: Api, conn: asyncpg.Connection, job_id: str) -> Facts:
        return cls(api, conn, await conn.fetchval("SELECT job_no FROM job WHERE job_id = $1", job_id))

    async def hit(self, item_nos: Sequence[int]) -> int:
        hit_no = await self._conn.fetchval(
            "UPDATE job SET next_hit_no = next_hit_no + 1 WHERE job_no = $1 RETURNING next_hit_no - 1", self.job_no
        )
        await self._conn.execute(
            """INSERT INTO hit (job_no, hit_no, state, guidelines_no, wanted, slots, unit_cents, created_at)
            VALUES ($1, $2, 'planned', 1, 2, 3, 6, $3)""",
            self.job_no,
            hit_no,
            self.now,
        )
        for slot, item_no in enumerate(item_nos, start=1):
            await self._conn.execute("INSERT INTO hit_slot VALUES ($1, $2, $3, $4)", self.job_no, hit_no, slot, item_no)
        return int(hit_no)

    async def worker(self, market_id: str, *, right: int = 0, total: int = 0) -> int:
        clock = self._api.service.clock
        market_no = await pace.know_market(self._conn, "house", None, self.now)
        worker_id = new_id("worker", clock)
        await self._conn.execute(
            "INSERT INTO worker VALUES ($1, $2, $3, $4)", worker_id, market_no, f"{market_id}-{worker_id}", self.now
        )
        number = await self._conn.fetchval(
            "UPDATE job SET next_worker_no = next_worker_no + 1 WHERE job_no = $1 RETURNING next_worker_no - 1",
            self.job_no,
        )
        await self._conn.execute(
            "INSERT INTO job_worker VALUES ($1, $2, $3, $4, $5, $6)",
            self.job_no,
            number,
            worker_id,
            self.now,
            right,
            total,
        )
        return int(number)

    async def answers(
        self,
        hit_no: int,
        worker_no: int,
        given: Sequence[tuple[int, int]],
        *,
        state: str = "approved",
        later: float = 0,
    ) -> int:
        """Store an assignment with its answers: (item_no, label) by slot."""
        at = self.now + timedelta(seconds=later)
        number = await self._conn.fetchval(
            """INSERT INTO assignment (job_no, hit_no, worker_no, market_assignment_id, state, submitted_at,
                collected_at, decided_at, raw)
            VALUES ($1, $2, $3, $4, $5, $6, $6, $7, '<raw/>') RETURNING assignment_no""",
            self.job_no,
            hit_no,
            worker_no,
            new_id("m", self._api.service.clock),
            state,
            at,
            None if state == "submitted" else at,
        )
        for slot, (item_no, label) in enumerate(given, start=1):
            await self._conn.execute(
                "INSERT INTO answer VALUES ($1, $2, $3, $4, $5, $6, $7)",
                self.job_no,
                number,
                slot,
                item_no,
                worker_no,
                label,
                at,
            )
        return int(number)

    async def time(self, seconds: float) -> None:
        """Have each assignment taken so many seconds before it was handed in."""
        await self._conn.execute(
            "UPDATE assignment SET accepted_at = submitted_at - make_interval(secs => $2) WHERE job_no = $1",
            self.job_no,
            seconds,
        )

    async def run(self) -> tuple[int, str]:
        number = await self._conn.fetchval(
            "UPDATE job SET next_run_no = next_run_no + 1 WHERE job_no = $1 RETURNING next_run_no - 1", self.job_no
        )
        run_id = new_id("run", self._api.service.clock)
        await self._conn.execute(
            "INSERT INTO run VALUES ($1, $2, $3, 'interim', 'dawid_skene', '{}', 1, 1, 1, 1, true, 0, NULL, $4, $4)",
            self.job_no,
            number,
            run_id,
            self.now,
        )
        return int(number), run_id

    async def consensus(self, run_no: int, item_no: int, probabilities: Sequence[float], n_answers: int = 2) -> None:
        label = max(range(len(probabilities)), key=probabilities.__getitem__)
        await self._conn.execute(
            "INSERT INTO consensus VALUES ($1, $2, $3, $4, $5, $6, $7, '{1}')",
            self.job_no,
            item_no,
            run_no,
            label,
            list(probabilities),
            max(probabilities),
            n_answers,
        )

    async def settle(self, item_no: int, by: str) -> None:
        await self._conn.execute(
            "UPDATE item SET state = 'settled', settled_by = $3, settled_at = $4 WHERE job_no = $1 AND item_no = $2",
            self.job_no,
            item_no,
            by,
            self.now,
        )

    async def confuse(self, worker_no: int, run_no: int, matrix: Sequence[float]) -> None:
        await self._conn.execute(
            "UPDATE job_worker SET confusion = $3, confusion_run = $4 WHERE job_no = $1 AND worker_no = $2",
            self.job_no,
            worker_no,
            list(matrix),
            run_no,
        )


async def watched_job(api: Api, conn: asyncpg.Connection, **changes: object) -> tuple[str, Facts, list[str]]:
    """Make a running job on which six good workers and two clickers did ten HITs of four items and two gold items.

    Returns its id, its facts, and the workers' ids, the clickers' last.
    """
    job_id = await api.job(**changes)
    await api.upload(job_id, items(40))
    await api.upload(job_id, golds(20), "gold")
    await conn.execute("UPDATE job SET state = 'running', launched_at = now() WHERE job_id = $1", job_id)
    facts = await Facts.of(api, conn, job_id)
    numbers = [await facts.worker(f"AW{number}") for number in range(8)]
    for step in range(10):
        asked = [*range(4 * step, 4 * step + 4), 40 + 2 * step, 41 + 2 * step]
        hit = await facts.hit(asked)
        for number in numbers:
            # Label value 0 is right of gold, and the item's number modulo 3 of an item; clickers take turns.
            right = [0 if item_no >= 40 else item_no % 3 for item_no in asked]
            given = right if number < 6 else [(item_no + step + number) % 3 for item_no in asked]
            await facts.answers(hit, number, list(zip(asked, given, strict=True)), later=60 * step + number)
    rows = await conn.fetch("SELECT worker_id FROM job_worker WHERE job_no = $1 ORDER BY worker_no", facts.job_no)
    return job_id, facts, [row[0] for row in rows]
