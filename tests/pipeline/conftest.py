"""A service over a real database, a market in memory, and jobs to run through them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from foundation.ids import new_id
from foundation.settings import Settings
from service.app import Service
from service.pipeline.engine import STAGES, Engine
from service.pipeline.stage import Stage
from service.spec import Spec
from service.store import dues
from tests.pipeline.plain_market import PlainMarket


class House:
    """A service, its market, and short ways to do what the API does."""

    def __init__(self, service, market, clock):
        self.service, self.market, self.clock = service, market, clock
        self.engine = Engine(service)

    async def job(self, *, items, gold=(), budget="1000.00", launch=True, **spec):
        """Create a job over items (texts), with gold (text, accepted labels), and launch it; returns its number."""
        fields = {
            "name": "job",
            "task": {
                "type": "choice",
                "question": "Which?",
                "labels": ["a", "b", "c"],
                "template": [{"field": "text"}],
            },
            "reward": "0.05",
            "budget": budget,
            **spec,
        }
        parsed = msgspec.convert(fields, Spec)
        now = self.clock.now()
        async with self.service.pool.acquire() as conn, conn.transaction():
            team = await conn.fetchval(
                "INSERT INTO team VALUES ($1, $1, $2) RETURNING team_id", new_id("team", self.clock), now
            )
            market_no = await conn.fetchval("SELECT market_no FROM market")
            job_no = await conn.fetchval(
                """INSERT INTO job (job_id, team_id, market_no, name, spec, n_labels, state, budget_cents, created_at,
                   next_item_no) VALUES ($1, $2, $3, 'job', $4, $5, 'draft', $6, $7, $8) RETURNING job_no""",
                new_id("job", self.clock),
                team,
                market_no,
                msgspec.to_builtins(parsed),
                len(parsed.task.labels),
                parsed.budget_cents,
                now,
                len(items) + len(gold),
            )
            redundancy = parsed.redundancy
            for item_no, entry in enumerate([*items, *gold]):
                text = entry if isinstance(entry, str) else entry[0]
                await conn.execute(
                    """INSERT INTO item (job_no, item_no, external_id, payload, is_gold, minimum, maximum, target,
                       created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)""",
                    job_no,
                    item_no,
                    f"x{item_no}",
                    {"text": text},
                    item_no >= len(items),
                    redundancy.minimum,
                    redundancy.maximum,
                    redundancy.target_confidence,
                    now,
                )
                if item_no >= len(items):
                    accepted = [{"label": label} for label in entry[1]]
                    await conn.execute("INSERT INTO gold VALUES ($1, $2, $3, $4)", job_no, item_no, accepted, entry[1])
                    await conn.execute(
                        "INSERT INTO gold_version VALUES ($1, $2, 1, $3, 'import', 'a test', '', 'asked', $4)",
                        job_no,
                        item_no,
                        now,
                        accepted,
                    )
        if launch:
            await self.set_state(job_no, "running")
        return job_no

    async def set_state(self, job_no, state, reason=None):
        """Do what launch, pause, resume and cancel do."""
        now = self.clock.now()
        async with self.service.pool.acquire() as conn, conn.transaction():
            await conn.execute(
                "UPDATE job SET state = $2, pause_reason = $3, launched_at = coalesce(launched_at, $4) "
                "WHERE job_no = $1",
                job_no,
                state,
                reason,
                now,
            )
            await dues.want(conn, "decide", job_no, now)
            await dues.want(conn, "slice", job_no, now)

    async def run_stage(self, stage, subject):
        """Run one stage that is due, and no other."""
        async with self.service.pool.acquire() as conn:
            due = await dues.claim(conn, stage, subject, self.clock.now())
            await STAGES[stage](Stage(self.service, conn, due))
            await dues.release(conn, stage, subject)

    async def run_now(self, stage):
        """Run a stage of the only subject that has it, whether it is due or not."""
        want = (
            "UPDATE due SET wanted = wanted + 1, due_at = $2, rests_until = '-infinity' "
            "WHERE stage = $1 RETURNING subject"
        )
        [(subject,)] = await self.rows(want, stage, self.clock.now())
        await self.run_stage(stage, subject)

    async def step(self, seconds=6):
        """Run what is due, then let time pass."""
        await self.engine.drain()
        self.clock.advance(seconds=seconds)

    async def until(self, condition, *, steps=200, work=None):
        """Step, letting workers work in between, until the condition holds."""
        for _ in range(steps):
            await self.step()
            if await condition():
                return
            if work is not None:
                work()
        raise AssertionError(f"not reached in {steps} steps")

    async def state(self, job_no):
        return await self.value("SELECT state FROM job WHERE job_no = $1", job_no)

    async def value(self, query, *args):
        async with self.service.pool.acquire() as conn:
            return await conn.fetchval(query, *args)

    async def rows(self, query, *args):
        async with self.service.pool.acquire() as conn:
            return [tuple(row) for row in await conn.fetch(query, *args)]

    def is_state(self, job_no, *states):
        async def check():
            return await self.state(job_no) in states

        return check


@pytest.fixture
async def house(service_dsn, clock):
    market = PlainMarket(clock)
    service = await Service.open(Settings(data=Path("unused")), service_dsn, clock, {"house": market})
    yield House(service, market, clock)
    await service.close()
