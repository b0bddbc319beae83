"""The API as an application in memory, on a real database, and a team with keys to call it with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from foundation.clock import ManualClock
from foundation.ids import new_id
from foundation.serving.application import create_application
from foundation.settings import Settings
from service.api.app import create_router
from service.api.auth import SCOPES, hash_key, new_key
from service.api.problems import APP_HANDLERS
from service.app import Service
from service.store import keys, teams

SPEC: dict[str, Any] = {
    "name": "Pets",
    "task": {
        "type": "choice",
        "question": "What is it?",
        "labels": ["cat", "dog", "other"],
        "template": [{"field": "text"}],
    },
    "reward": "0.05",
    "budget": "100.00",
    "redundancy": {"minimum": 2, "maximum": 3},
}


@dataclass
class Api:
    """The API and a key to it."""

    client: httpx.AsyncClient
    service: Service
    team_id: str
    key: str

    async def __call__(self, method: str, path: str, **request: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}"} | request.pop("headers", {})
        return await self.client.request(method, f"/v1{path}", headers=headers, **request)

    async def job(self, **changes: Any) -> str:
        answer = await self("POST", "/jobs", json=SPEC | changes)
        assert answer.status_code == 201, answer.text
        return answer.json()["job_id"]

    async def upload(self, job_id: str, lines: Sequence[dict[str, Any]], what: str = "items") -> httpx.Response:
        content = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
        headers = {"Content-Type": "application/x-ndjson"}
        return await self("POST", f"/jobs/{job_id}/{what}", content=content, headers=headers)

    async def job_with_items(self, count: int = 3, **changes: Any) -> str:
        job_id = await self.job(**changes)
        assert (await self.upload(job_id, items(count))).status_code == 200
        return job_id

    async def as_key(self, *scopes: str, team: str | None = None) -> Api:
        """Return the same API with another key: other scopes, or another team's."""
        async with self.service.pool.acquire() as conn:
            clock = self.service.clock
            team_id = self.team_id
            if team is not None:
                team_id = await teams.ensure(conn, new_id("team", clock), team, clock.now())
            secret = await make_key(conn, clock, team_id, scopes)
        return Api(self.client, self.service, team_id, secret)


def items(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [{"external_id": f"item-{n}", "payload": {"text": f"text {n}"}} for n in range(start, start + count)]


def golds(count: int, label: Any = "cat") -> list[dict[str, Any]]:
    return [{"external_id": f"gold-{n}", "payload": {"text": f"gold {n}"}, "accepted": label} for n in range(count)]


async def make_key(conn: asyncpg.Connection, clock: ManualClock, team_id: str, scopes: Sequence[str]) -> str:
    secret = new_key()
    await keys.insert(
        conn,
        key_id=new_id("key", clock),
        team_id=team_id,
        name="tests",
        key_hash=hash_key(secret),
        scopes=scopes,
        at=clock.now(),
    )
    return secret


async def open_api(pool: asyncpg.Pool, clock: ManualClock) -> Api:
    service = Service(pool=pool, clock=clock, settings=Settings(data=Path("/nowhere")), markets={})
    app = create_application([create_router(service)], checks={}, exception_handlers=APP_HANDLERS)
    async with pool.acquire() as conn:
        team_id = await teams.ensure(conn, new_id("team", clock), "testers", clock.now())
        secret = await make_key(conn, clock, team_id, tuple(SCOPES))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    client = httpx.AsyncClient(transport=transport, base_url="http://assay")
    return Api(client, service, team_id, secret)


@pytest.fixture
async def api(service_pool: asyncpg.Pool, clock: ManualClock) -> AsyncIterator[Api]:
    opened = await open_api(service_pool, clock)
    async with opened.client:
        yield opened
