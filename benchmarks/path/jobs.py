"""Jobs as a requester's program uploads and launches them, and waits for them."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import asyncpg

from benchmarks.path.works import Works

LABELS = ("animal", "plant", "vehicle", "building", "other")
_GUIDELINES = """
## What is asked

Choose what the text is **mostly** about. Where two fit, take the first of the list.

- *animal*: also fish, insects and birds
- *vehicle*: also ships and planes
- *other*: where nothing else fits
"""
_STATES = "SELECT job_id, state, pause_reason FROM assay.job WHERE job_id = ANY($1::text[])"
_POLL_SECONDS = 0.05
_PATIENCE_SECONDS = 600


def upload(works: Works, *, items: int, bundle: int, redundancy: int) -> str:
    """Make a job with items; returns its id. Every item gets the same number of answers, so that runs compare."""
    spec = {
        "name": "path",
        "task": {
            "type": "choice",
            "question": "What is this text about?",
            "labels": list(LABELS),
            "template": [{"field": "text"}, {"field": "source", "title": "Where it is from"}],
        },
        "guidelines": _GUIDELINES,
        "reward": "0.05",
        "budget": f"{max(10.0, items * redundancy * 0.1):.2f}",
        "bundle": {"items": bundle},
        "redundancy": {"minimum": redundancy, "maximum": redundancy, "target_confidence": 1.0},
    }
    job_id: str = works.call("POST", "/jobs", json=spec)["job_id"]
    rows = (
        {"external_id": f"x{number}", "payload": {"text": _text(number), "source": f"page {number % 97}"}}
        for number in range(items)
    )
    body = "".join(json.dumps(row) + "\n" for row in rows).encode()
    works.call("POST", f"/jobs/{job_id}/items", content=body, headers={"Content-Type": "application/x-ndjson"})
    return job_id


def launch(works: Works, job_id: str) -> None:
    """Launch a job."""
    works.call("POST", f"/jobs/{job_id}/launch")


async def until_done(conn: asyncpg.Connection, job_ids: list[str], crowd: asyncio.Task[None]) -> None:
    """Wait until jobs are done."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        rows: list[Any] = await conn.fetch(_STATES, job_ids)
        if all(row["state"] == "done" for row in rows):
            return
        paused = [row for row in rows if row["state"] == "paused"]
        if paused:
            raise SystemExit(f"{paused[0]['job_id']} is paused: {paused[0]['pause_reason']}")
        if crowd.done():
            crowd.result()
        if time.monotonic() > deadline:
            raise SystemExit(f"not done after {_PATIENCE_SECONDS} s: {[tuple(row) for row in rows]}")
        await asyncio.sleep(_POLL_SECONDS)


def _text(number: int) -> str:
    words = ("river", "wagon", "oak", "tower", "heron", "ship", "moss", "bridge", "letter", "storm", "barn")
    return " ".join(words[(number * 7 + step * (number % 5 + 1)) % len(words)] for step in range(30)) + f" {number}"
