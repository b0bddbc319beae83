"""The API as an application in memory, on a real database, and a team with keys to call it with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from litestar import Litestar

from foundation.clock import ManualClock
from foundation.ids import new_id
from foundation.postgres.pool import create_pool
from foundation.serving.application import create_application
from foundation.settings import Settings
from service.api.app import create_router
from service.api.auth import SCOPES, hash_key, new_key
from service.api.problems import APP_HANDLERS
from service.app import Service
from service.store import keys, teams
from tests.conftest import ensure_template, fresh_database

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


def open_service(pool: asyncpg.Pool, clock: ManualClock) -> Service:
    return Service(pool=pool, clock=clock, settings=Settings(data=Path("/nowhere")), markets={})


def create_app(service: Service) -> Litestar:
    return create_application([create_router(service)], checks={}, exception_handlers=APP_HANDLERS)


def open_client(app: Litestar) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://assay")


async def open_api(client: httpx.AsyncClient, service: Service) -> Api:
    """Return the API as a team of its own calls it, with a key for everything."""
    clock = service.clock
    async with service.pool.acquire() as conn:
        team_id = await teams.ensure(conn, new_id("team", clock), new_id("name", clock), clock.now())
        secret = await make_key(conn, clock, team_id, tuple(SCOPES))
    return Api(client, service, team_id, secret)


@pytest.fixture(scope="session")
async def service(postgres_dsn: str) -> AsyncIterator[Service]:
    """A service whose database these tests share: each has a team of its own, which sees nothing of the others."""
    template = await ensure_template(postgres_dsn, "service")
    async for dsn in fresh_database(postgres_dsn, template):
        async with await create_pool(dsn, min_size=1, max_size=10, schema="assay") as pool:
            yield open_service(pool, ManualClock(datetime(2026, 1, 5, 12, 0, tzinfo=UTC)))


@pytest.fixture(scope="session")
def app(service: Service) -> Litestar:
    return create_app(service)


@pytest.fixture
async def api(app: Litestar, service: Service) -> AsyncIterator[Api]:
    async with open_client(app) as client:
        yield await open_api(client, service)
