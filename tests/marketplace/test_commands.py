"""The commands of those who run a marketplace, against a real database."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys

import asyncpg
import boto3
import pytest
from click.testing import CliRunner

from foundation.clock import SystemClock
from foundation.errors import PlainError
from foundation.settings import MarketplaceSettings
from marketplace.accounts import ensure_requester
from marketplace.app import Marketplace
from marketplace.cli import marketplace as command
from marketplace.installation import KEY_FILE, InstallationKey, InstallationKeyError, load_installation_key
from marketplace.requirements import ADULT, LOCALE, MASTERS, Held
from marketplace.store import ledger, qualifications, requesters, workers
from tests.marketplace.audit import audit
from tests.marketplace.conftest import free_port


@pytest.fixture
def run(marketplace_dsn, tmp_path, monkeypatch):
    """Run a command in a process' place: outside of the tests' event loop, with settings from the environment."""
    monkeypatch.setenv("DATABASE_URL", marketplace_dsn)
    monkeypatch.setenv("ASSAY_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("ASSAY_PUBLIC_URL", "https://crowd.example")
    monkeypatch.chdir(tmp_path)

    async def call(*args, fails=None):
        result = await asyncio.to_thread(CliRunner().invoke, command, [str(arg) for arg in args])
        if fails is None:
            assert result.exit_code == 0, result.output + repr(result.exception)
            return json.loads(result.stdout) if "--json" in args else result.stdout
        assert fails in result.output + str(result.exception)
        assert isinstance(result.exception, PlainError | SystemExit), "one line, not a traceback"
        return ""

    return call


async def test_workers_are_invited_listed_disabled_and_enabled(run, marketplace_pool):
    invited = await run("invite", "--count", "2", "--name", "Rater", "--json")
    assert [each["name"] for each in invited] == ["Rater 1", "Rater 2"]
    worker_id, link = invited[0]["worker_id"], invited[0]["link"]
    assert link.startswith("https://crowd.example/worker/join/")
    async with marketplace_pool.acquire() as conn:
        found = await workers.invited(conn, token=link.rpartition("/")[2], now=SystemClock().now())
        assert found.worker_id == worker_id, "the token in the link is the one that lets the worker in"
    assert "active, not joined yet" in await run("workers")
    assert await run("disable", worker_id) == f"{worker_id} is disabled\n"
    assert {each["worker_id"]: each["state"] for each in await run("workers", "--json")}[worker_id] == "disabled"
    assert await run("enable", worker_id) == f"{worker_id} is active\n"
    await run("disable", "ANOBODY", fails="there is no worker ANOBODY")
    await run("invite", "--count", "0", fails="--count")
    await run("invite", "--count", "2", "--email", "a@b.example", fails="--email is for one worker")


async def test_a_worker_is_qualified_for_what_the_marketplace_itself_knows(run, marketplace_pool):
    [invited] = await run("invite", "--json")
    worker_id = invited["worker_id"]

    async def held():
        async with marketplace_pool.acquire() as conn:
            return await qualifications.held_by(conn, worker_id=worker_id, type_ids=[LOCALE, ADULT, MASTERS])

    await run("qualify", worker_id, "--place", "us-ca", "--adult", "--master")
    assert await held() == {LOCALE: Held(country="US", subdivision="CA"), ADULT: Held(1), MASTERS: Held(1)}
    await run("qualify", worker_id, "--no-master", "--place", "DE")
    assert await held() == {LOCALE: Held(country="DE"), ADULT: Held(1)}
    await run("qualify", worker_id, fails="say what")
    await run("qualify", worker_id, "--place", "Berlin", fails="US-CA")
    await run("qualify", "ANOBODY", "--adult", fails="does not exist")


async def test_an_invitation_that_is_printed_has_its_link_on_a_line_of_its_own(run):
    lines = (await run("invite", "--count", "3")).splitlines()
    assert len(lines) == 3
    assert all("https://crowd.example/worker/join/" in line for line in lines)


async def test_a_requester_is_made_paid_in_and_out_and_signs(run, marketplace_dsn, tmp_path):
    await run("balance", fails="there is no requester house; make one")
    await run("requester", "create", "house")
    await run("requester", "create", "house", fails="there is a requester named house already")
    await run("requester", "create", " ", fails="a requester needs a name")
    assert await run("deposit", "12.50") == "available 12.50 USD, held 0.00 USD\n"
    assert await run("withdraw", "2.50") == "available 10.00 USD, held 0.00 USD\n"
    await run("withdraw", "10.01", fails="only 10.00 USD are available to house")
    await run("deposit", "1.005", fails="at most 2 decimals")
    await run("deposit", "0", fails="more than nothing")
    await run("balance", "--requester", "nobody", fails="there is no requester nobody; there are: house")
    assert await run("balance", "--json") == {"available_cents": 1000, "held_cents": 0}
    assert [each["name"] for each in await run("requester", "list", "--json")] == ["house"]
    assert "10.00" in await run("requester", "list")

    made = await run("key", "create", "--json")
    assert made["endpoint"] == "https://crowd.example/mturk"
    served = await Marketplace.open(
        marketplace_dsn, MarketplaceSettings(), "http://127.0.0.1", tmp_path / "data", SystemClock()
    )
    try:
        async with served.pool.acquire() as conn:
            _, kept = await requesters.find_key(conn, made["access_key"])
            assert made["secret_key"].encode() not in kept
            assert served.key.decrypt(kept) == made["secret_key"]
            assert await audit(conn) == {}
    finally:
        await served.close()
    assert made["secret_key"] not in await run("key", "list")
    await run("key", "revoke", made["access_key"])
    await run("key", "revoke", made["access_key"], fails="there is no good key")
    assert "revoked" in await run("key", "list")
    assert (await run("key", "list", "--json"))[0]["revoked_at"]


async def test_a_requester_made_ready_has_one_deposit_and_one_key_however_many_ask(marketplace_pool, tmp_path, clock):
    key = load_installation_key(tmp_path)
    given = await asyncio.gather(
        *(
            ensure_requester(marketplace_pool, key=key, settings=MarketplaceSettings(), now=clock.now())
            for _ in range(6)
        )
    )
    assert len(set(given)) == 1
    async with marketplace_pool.acquire() as conn:
        [requester] = await requesters.list_all(conn)
        assert (await ledger.balance(conn, requester_id=requester.requester_id)).available_cents == 100_000
        assert len(await requesters.list_keys(conn)) == 1
    other = load_installation_key(tmp_path / "other")
    with pytest.raises(InstallationKeyError, match="under another installation key"):
        await ensure_requester(marketplace_pool, key=other, settings=MarketplaceSettings(), now=clock.now())


def test_the_installation_key_is_made_once_and_readable_by_its_owner_alone(tmp_path):
    folder = tmp_path / "data"
    kept = load_installation_key(folder).encrypt("secret")
    assert load_installation_key(folder).decrypt(kept) == "secret"
    assert stat.S_IMODE((folder / KEY_FILE).stat().st_mode) == 0o600
    assert [file.name for file in folder.iterdir()] == [KEY_FILE], "nothing is left lying about"
    given = (folder / KEY_FILE).read_text()
    assert load_installation_key(tmp_path / "elsewhere", given).decrypt(kept) == "secret"
    assert not (tmp_path / "elsewhere").exists()


def test_a_key_that_is_none_is_told_so(tmp_path):
    with pytest.raises(InstallationKeyError, match="44 characters"):
        InstallationKey("short")
    (tmp_path / KEY_FILE).mkdir()
    with pytest.raises(InstallationKeyError, match="cannot read the installation key"):
        load_installation_key(tmp_path)


async def test_a_marketplace_alone_serves_sweeps_and_stops(marketplace_dsn, tmp_path):
    """The command as a process of its own: it answers boto3, and a signal ends it cleanly."""
    port = free_port()
    env = os.environ | {"DATABASE_URL": marketplace_dsn, "ASSAY_DATA": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from service.cli import main; main()", "marketplace", "--port", str(port)),
        env=env,
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            assert process.stdout is not None
            assert (await process.stdout.readline()).decode() == f"requester API  http://127.0.0.1:{port}/mturk\n"
        conn = await asyncpg.connect(marketplace_dsn, server_settings={"search_path": "marketplace"})
        found = await requesters.list_keys(conn)
        access_key, kept = await requesters.newest_key(conn, requester_id=found[0].requester_id)
        await conn.close()
        client = boto3.client(
            "mturk",
            endpoint_url=f"http://127.0.0.1:{port}/mturk",
            region_name="us-east-1",
            aws_access_key_id=access_key,
            aws_secret_access_key=load_installation_key(tmp_path).decrypt(kept),
        )
        answer = await asyncio.to_thread(client.get_account_balance)
        assert answer["AvailableBalance"] == "1000.00"
    finally:
        process.terminate()
        async with asyncio.timeout(30):
            assert await process.wait() == 0
