"""Make the reports of a job with a million answers by 20,000 workers, on a real Postgres, and say what they take.

``python -m benchmarks.reports --json``. Workers are made up: most are right four times in five, some click at random,
some turn half way. Seconds are of the wall clock, for each request over the API in this process, of a service that has
kept no report: load, compute, write; "another page" is of a report that is kept.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import numpy as np

from foundation.clock import ManualClock
from foundation.ids import new_id
from foundation.postgres.embedded import EmbeddedPostgres
from foundation.postgres.migrations import migrate
from foundation.postgres.pool import create_pool
from foundation.serving.application import create_application
from foundation.settings import Settings
from service.api.app import create_router
from service.api.auth import hash_key, new_key
from service.api.problems import APP_HANDLERS
from service.app import SCHEMA, Service
from service.store import jobs, keys, pace, teams

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
LABELS, BUNDLE, GOLD_SHARE = 5, 5, 10
SPEC: dict[str, Any] = {
    "name": "A million answers",
    "task": {
        "type": "choice",
        "question": "What is it?",
        "labels": [f"label {number}" for number in range(LABELS)],
        "template": [{"field": "text"}],
    },
    "reward": "0.05",
    "budget": "1000000.00",
}


async def fill(conn: asyncpg.Connection, job_no: int, market_no: int, n_answers: int, n_workers: int) -> None:
    """Write a job's facts by COPY."""
    rng = np.random.default_rng(0)
    clock = ManualClock(NOW)
    n_assignments, n_items = n_answers // BUNDLE, n_answers // 5
    truth = rng.integers(LABELS, size=n_items)
    of = rng.integers(n_workers, size=n_assignments)
    accuracy = np.where(rng.random(n_workers) < 0.1, 1 / LABELS, rng.uniform(0.65, 0.95, n_workers))
    turned = rng.random(n_workers) < 0.05
    right = np.repeat(np.where(turned[of] & (np.arange(n_assignments) > n_assignments / 2), 0.2, accuracy[of]), BUNDLE)
    item = (np.arange(n_answers) * 7919) % n_items
    label = np.where(rng.random(n_answers) < right, truth[item], rng.integers(LABELS, size=n_answers))
    is_gold = np.arange(n_items) % GOLD_SHARE == 0
    ids = [new_id("worker", clock) for _ in range(n_workers)]

    async def copy(table: str, columns: str, rows: Any) -> None:
        await conn.copy_records_to_table(table, records=rows, columns=columns.split())

    texts = ((job_no, n, str(n), "{}", bool(is_gold[n]), 1, 9, 0.9, NOW) for n in range(n_items))
    names = "job_no item_no external_id payload is_gold minimum maximum target created_at"
    await conn.set_type_codec(
        "jsonb", encoder=lambda text: b"\x01" + text.encode(), decoder=bytes, schema="pg_catalog", format="binary"
    )
    await copy("item", names, texts)
    golden = [(job_no, n, "[]", [int(truth[n])]) for n in np.flatnonzero(is_gold).tolist()]
    await copy("gold", "job_no item_no accepted accepted_labels", golden)
    people = [(one, market_no, f"M{one}", NOW) for one in ids]
    await copy("worker", "worker_id market_no market_worker_id first_seen_at", people)
    known = [(job_no, n, one, NOW) for n, one in enumerate(ids)]
    await copy("job_worker", "job_no worker_no worker_id first_seen_at", known)
    hit = [(job_no, 0, "planned", 1, 1, 1, 6, NOW)]
    await copy("hit", "job_no hit_no state guidelines_no wanted slots unit_cents created_at", hit)
    seconds = rng.lognormal(3.5, 0.5, n_assignments)
    handed = [NOW + timedelta(seconds=float(n)) for n in range(n_assignments)]
    await copy(
        "assignment",
        "job_no hit_no worker_no market_assignment_id state accepted_at submitted_at collected_at decided_at raw",
        (
            (job_no, 0, w, str(n), "approved", handed[n] - timedelta(seconds=s), handed[n], handed[n], handed[n], "")
            for n, (w, s) in enumerate(zip(of.tolist(), seconds.tolist(), strict=True))
        ),
    )
    first = await conn.fetchval("SELECT min(assignment_no) FROM assignment WHERE job_no = $1", job_no)
    await copy(
        "answer",
        "job_no assignment_no slot item_no worker_no label submitted_at",
        (
            (job_no, first + n // BUNDLE, n % BUNDLE + 1, i, w, v, handed[n // BUNDLE])
            for n, (i, w, v) in enumerate(
                zip(item.tolist(), np.repeat(of, BUNDLE).tolist(), label.tolist(), strict=True)
            )
        ),
    )
    await conn.execute(
        """INSERT INTO money (job_no, at, kind, cents, hit_no, assignment_no)
        SELECT job_no, submitted_at, 'spend', 6, hit_no, assignment_no FROM assignment WHERE job_no = $1""",
        job_no,
    )
    await conn.execute(
        """INSERT INTO run VALUES ($1, 0, $2, 'interim', 'majority', '{}', 1, 1, 1, 1, true, 0, NULL, $3, $3)""",
        job_no,
        new_id("run", clock),
        NOW,
    )
    shares = np.full((n_items, LABELS), 0.05)
    shares[np.arange(n_items), truth] = 0.8
    told = zip(range(n_items), truth.tolist(), shares.tolist(), strict=True)
    await copy(
        "consensus",
        "job_no item_no run_no label probabilities confidence n_answers guidelines",
        ((job_no, n, 0, value, row, 0.8, 5, [1]) for n, value, row in told),
    )
    await conn.execute(
        "UPDATE job SET next_item_no = $2, next_worker_no = $3 WHERE job_no = $1", job_no, n_items, n_workers
    )
    await conn.execute("ANALYZE")


async def ask(
    pool: asyncpg.Pool, job_id: str, secret: str, options: argparse.Namespace, report: dict[str, Any]
) -> None:
    """Ask for each thing anew, and for a page of a report that is kept."""
    asked = {
        "page": "workers?sort=quality",
        "csv": "workers?format=csv",
        "ndjson": "workers?format=ndjson",
        "parquet": "workers?format=parquet",
        "html": "workers?format=html",
        "agreement": "agreement",
    }
    for name, path in asked.items():
        async with opened(pool, secret) as client:
            began = time.perf_counter()
            answer = await client.get(f"/v1/jobs/{job_id}/{path}")
            answer.raise_for_status()
            report["seconds"][name] = round(time.perf_counter() - began, 2)
            report["bytes"][name] = len(answer.content)
            if name == "page":
                began = time.perf_counter()
                (await client.get(f"/v1/jobs/{job_id}/workers?sort=pay&state=probation")).raise_for_status()
                report["seconds"]["another page"] = round(time.perf_counter() - began, 2)
            if name == "html" and options.page:
                options.page.write_bytes(answer.content)
    async with opened(pool, secret) as client:
        began = time.perf_counter()
        many = await asyncio.gather(*(client.get(f"/v1/jobs/{job_id}/{asked['page']}") for _ in range(10)))
        for answer in many:
            answer.raise_for_status()
        report["seconds"]["ten pages at once"] = round(time.perf_counter() - began, 2)


def opened(pool: asyncpg.Pool, secret: str) -> httpx.AsyncClient:
    """Return a client of a service that has kept no report."""
    service = Service(pool=pool, clock=ManualClock(NOW), settings=Settings(data=Path("unused")), markets={})
    app = create_application([create_router(service)], checks={}, exception_handlers=APP_HANDLERS)
    headers = {"Authorization": f"Bearer {secret}"}
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url="http://assay", timeout=600, headers=headers)


async def measure(dsn: str, options: argparse.Namespace) -> dict[str, Any]:
    clock = ManualClock(NOW)
    report: dict[str, Any] = {"answers": options.answers, "workers": options.workers, "seconds": {}, "bytes": {}}
    async with await create_pool(dsn, min_size=1, max_size=4, schema=SCHEMA) as pool:
        async with pool.acquire() as conn:
            team = await teams.ensure(conn, new_id("team", clock), "benchmark", NOW)
            market_no = await pace.know_market(conn, "house", None, NOW)
            job_id, secret = new_id("job", clock), new_key()
            job_no = await jobs.insert(
                conn, job_id=job_id, team_id=team, market_no=market_no, name=SPEC["name"], spec=SPEC,
                n_labels=LABELS, budget_cents=10**8, at=NOW,
            )  # fmt: skip
            await keys.insert(
                conn, key_id=new_id("key", clock), team_id=team, name="benchmark", key_hash=hash_key(secret),
                scopes=["workers:read", "labels:read"], at=NOW,
            )  # fmt: skip
        plain = await asyncpg.connect(dsn, server_settings={"search_path": SCHEMA})
        await fill(plain, job_no, market_no, options.answers, options.workers)
        await plain.close()
        await ask(pool, job_id, secret, options, report)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=20_000)
    parser.add_argument("--page", type=Path, help="keep the page here")
    parser.add_argument("--json", action="store_true", help="write one line of JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="assay-reports-") as folder:
        Path(folder).chmod(0o711)
        server = EmbeddedPostgres(Path(folder) / "postgres", durable=False)
        dsn = server.start()
        try:
            asyncio.run(migrate(dsn, "service"))
            report = asyncio.run(measure(dsn, options))
        finally:
            server.stop()
    print(json.dumps(report, indent=None if options.json else 1))


if __name__ == "__main__":
    main()
