"""A live marketplace on loopback, and clients that speak to it as Amazon's customers did."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import botocore.auth
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from foundation.clock import ManualClock
from foundation.serving.application import create_application
from foundation.serving.server import serving
from foundation.settings import MarketplaceSettings
from marketplace.app import Marketplace
from marketplace.store import assignments, ledger, requesters, workers
from tests.conftest import ensure_template, fresh_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


HTML_QUESTION = (
    '<HTMLQuestion xmlns="http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/2011-11-11/'
    'HTMLQuestion.xsd"><HTMLContent><![CDATA[<!doctype html><form><input name="q1"></form>]]></HTMLContent>'
    "<FrameHeight>0</FrameHeight></HTMLQuestion>"
)


_SESSION = boto3.session.Session()  # its model of the service is read once


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


@dataclass
class Live:
    """A marketplace that is being served, with one requester who has a hundred dollars."""

    marketplace: Marketplace
    url: str
    clock: ManualClock
    requester_id: str
    access_key: str
    secret: str

    def client(self, *, attempts: int = 1, mode: str = "legacy", **given: Any) -> Any:
        """Make a boto3 client; it tries once unless told otherwise."""
        return _SESSION.client(
            "mturk",
            endpoint_url=given.get("endpoint", f"{self.url}/mturk"),
            region_name=given.get("region", "us-east-1"),
            aws_access_key_id=given.get("access_key", self.access_key),
            aws_secret_access_key=given.get("secret", self.secret),
            config=Config(retries={"total_max_attempts": attempts, "mode": mode}, max_pool_connections=20),
        )

    async def call(self, operation: str, client: Any = None, **params: Any) -> dict[str, Any]:
        """Call an operation by its method's name, off the server's loop."""
        return await asyncio.to_thread(getattr(client or self._client(), operation), **params)

    def _client(self) -> Any:
        if not hasattr(self, "_kept"):
            self._kept = self.client()
        return self._kept

    async def refused(self, operation: str, client: Any = None, **params: Any) -> dict[str, Any]:
        """Call an operation that has to be refused, and return the response."""
        with pytest.raises(ClientError) as caught:
            await self.call(operation, client, **params)
        return caught.value.response

    async def create_hit(self, **params: Any) -> dict[str, Any]:
        return (await self.call("create_hit", **hit_properties(**params)))["HIT"]

    async def worker(self) -> str:
        async with self.marketplace.pool.acquire() as conn:
            [(worker_id, _token)] = await workers.invite(conn, names=[""], now=self.clock.now())
        return worker_id

    async def accept(self, hit_id: str, worker_id: str | None = None) -> str:
        worker_id = worker_id or await self.worker()
        async with self.marketplace.pool.acquire() as conn:
            accepted = await assignments.accept(conn, worker_id=worker_id, hit_id=hit_id, now=self.clock.now())
        return accepted.assignment_id

    async def submit(self, hit_id: str, worker_id: str | None = None, **fields: str) -> str:
        """Accept and submit at once."""
        assignment_id = await self.accept(hit_id, worker_id)
        async with self.marketplace.pool.acquire() as conn:
            await assignments.submit(
                conn, assignment_id=assignment_id, fields=list(fields.items()), now=self.clock.now()
            )
        return assignment_id

    async def misbehave(self, *rules: dict[str, Any]) -> None:
        async with httpx.AsyncClient() as http:
            answer = await http.post(f"{self.url}/mturk/_misbehave", json=list(rules))
            assert answer.status_code == 200, answer.text


def hit_properties(**given: Any) -> dict[str, Any]:
    """Return what CreateHIT takes, with what is given in place of the usual; None leaves a parameter out."""
    usual = {
        "Title": "Is it a duck?",
        "Description": "Look at a picture",
        "Keywords": "picture, duck",
        "Reward": "0.05",
        "AssignmentDurationInSeconds": 600,
        "AutoApprovalDelayInSeconds": 86_400,
        "LifetimeInSeconds": 3600,
        "MaxAssignments": 3,
        "Question": HTML_QUESTION,
    }
    return {name: value for name, value in (usual | given).items() if value is not None}


@asynccontextmanager
async def live_marketplace(dsn: str, data: Path, clock: ManualClock, **settings: Any) -> AsyncIterator[Live]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    marketplace = await Marketplace.open(dsn, MarketplaceSettings(**settings), url, data, clock)
    try:
        async with marketplace.pool.acquire() as conn:
            requester, _ = await requesters.ensure(conn, name="Ducks Inc.", now=clock.now())
            access_key, secret = await requesters.create_key(
                conn, requester_id=requester.requester_id, key=marketplace.key, now=clock.now()
            )
            await ledger.deposit(conn, requester_id=requester.requester_id, cents=10_000, now=clock.now())
        async with serving(create_application([marketplace.router()], checks={}), "127.0.0.1", port):
            yield Live(marketplace, url, clock, requester.requester_id, access_key, secret)
    finally:
        await marketplace.close()


@pytest.fixture
def signing_time(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have botocore sign with the test's clock."""
    monkeypatch.setattr(botocore.auth, "get_current_datetime", clock.now)


@pytest.fixture(scope="module")
async def module_live(postgres_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    clock = ManualClock(datetime(2026, 1, 5, 12, 0, tzinfo=UTC))
    async for dsn in fresh_database(postgres_dsn, await ensure_template(postgres_dsn, "marketplace")):
        async with live_marketplace(dsn, tmp_path_factory.mktemp("data"), clock) as served:
            yield served


@pytest.fixture
def shared(module_live: Live, monkeypatch: pytest.MonkeyPatch) -> Live:
    """One marketplace for all tests of a module that leave nothing behind for each other."""
    monkeypatch.setattr(botocore.auth, "get_current_datetime", module_live.clock.now)
    return module_live


@pytest.fixture
async def live(marketplace_dsn: str, tmp_path: Path, clock: ManualClock, signing_time: None) -> AsyncIterator[Live]:
    async with live_marketplace(marketplace_dsn, tmp_path, clock, misbehave=True) as served:
        yield served


@pytest.fixture
async def live_without_fees(
    marketplace_dsn: str, tmp_path: Path, clock: ManualClock, signing_time: None
) -> AsyncIterator[Live]:
    async with live_marketplace(marketplace_dsn, tmp_path, clock, fees="none") as served:
        yield served
