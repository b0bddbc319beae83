"""A hundred thousand items in one request, in memory that does not grow with them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from tests.api.conftest import Api, create_app, open_api, open_client, open_service

ITEMS = 100_000
TEXT = "x" * 500
MOST_MEGABYTES = 32
"""What the whole process may grow by: the upload is 54 megabytes, and more in Python's objects."""


async def test_a_hundred_thousand_items_come_in_one_request(service_dsn: str) -> None:
    command = [sys.executable, "-m", "tests.api.test_large_upload", service_dsn]
    ran = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    told = json.loads(ran.stdout.splitlines()[-1])
    assert told["answer"] == {"added": ITEMS, "unchanged": 0, "items": ITEMS, "gold": 0}
    assert told["grew_megabytes"] < MOST_MEGABYTES, f"the process grew by {told['grew_megabytes']:.0f} MB"


def megabytes() -> float:
    """Return the most memory that this process has had since it began (rusage would count its parent's)."""
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024


async def lines(count: int) -> AsyncIterator[bytes]:
    for start in range(0, count, 100):
        rows = range(start, min(start + 100, count))
        yield b"".join(b'{"external_id":"item-%d","payload":{"text":"%s"}}\n' % (n, TEXT.encode()) for n in rows)


async def upload(api: Api, job_id: str, count: int) -> dict[str, int]:
    headers = {"Content-Type": "application/x-ndjson"}
    answer = await api("POST", f"/jobs/{job_id}/items", content=lines(count), headers=headers)
    assert answer.status_code == 200, answer.text
    told: dict[str, int] = answer.json()
    return told


async def main(dsn: str) -> None:
    """Upload a few items, so that everything is loaded, then many, and say by how much the process grew."""
    from foundation.clock import SystemClock
    from foundation.postgres.pool import create_pool

    async with await create_pool(dsn, schema="assay") as pool:
        service = open_service(pool, SystemClock())  # type: ignore[arg-type]
        async with open_client(create_app(service)) as client:
            api = await open_api(client, service)
            await upload(api, await api.job(), 1000)
            job_id = await api.job()
            before = megabytes()
            answer = await upload(api, job_id, ITEMS)
            told = {"answer": answer, "grew_megabytes": megabytes() - before}
            sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
