"""The life of one job that meets everything: launched, worked on, paused, resumed, a worker suspended and let in."""

from __future__ import annotations

from typing import Any

import httpx

from tests.crash.estate import LABELS, Estate
from tests.crash.points import ALL

SPEC: dict[str, Any] = {
    "name": "Animals",
    "task": {"type": "choice", "question": "Which?", "labels": list(LABELS), "template": [{"field": "text"}]},
    "reward": "0.05",
    "budget": "60.00",
    "bundle": {"items": 2, "gold": 1},
    "redundancy": {"minimum": 2, "maximum": 4, "target_confidence": 0.93},
}


def lines(kind: str, count: int) -> list[dict[str, Any]]:
    """Items whose text tells a worker the label value."""
    made = []
    for number in range(count):
        label = LABELS[number % len(LABELS)]
        line: dict[str, Any] = {"external_id": f"{kind}-{number}", "payload": {"text": f"{label} {kind} {number}"}}
        made.append(line | ({"accepted": label} if kind == "gold" else {}))
    return made


async def launch(estate: Estate, client: httpx.AsyncClient, n_items: int) -> str:
    """Create a job, fill it and launch it, however often the service dies over it; returns its id."""
    headers = {"Idempotency-Key": "crash"}
    made = await estate.ask(client, "POST", "/jobs", json=SPEC, headers=headers)
    assert made.status_code in (200, 201), made.text
    job_id: str = made.json()["job_id"]
    for what, kind, count in (("items", "item", n_items), ("gold", "gold", -(-n_items // 2))):
        sent = await estate.ask(client, "POST", f"/jobs/{job_id}/{what}", json=lines(kind, count))
        assert sent.status_code == 200, sent.text
    assert (await estate.ask(client, "POST", f"/jobs/{job_id}/launch")).status_code in (200, 409)
    assert (await estate.ask(client, "GET", f"/jobs/{job_id}")).json()["state"] == "running"
    return job_id


async def interfere(estate: Estate, client: httpx.AsyncClient, job_id: str) -> None:
    """Pause the job and resume it; suspend a worker and let them in again.

    One worker alone settles nothing, so that none of it can come too late.
    """

    async def progress() -> Any:
        return (await estate.ask(client, "GET", f"/jobs/{job_id}/progress")).json()

    async def is_posted() -> bool:
        return bool((await progress())["hits"].get("open"))

    async def is_shut() -> bool:
        return bool((await progress())["hits"].get("shut"))

    async def has_answers() -> bool:
        return bool((await progress())["answers"])

    await estate.until(is_posted, "the first HIT is posted")
    assert (await estate.ask(client, "POST", f"/jobs/{job_id}/pause")).status_code in (200, 409)
    await estate.until(is_shut, "a paused job's HITs are taken from view")
    assert (await estate.ask(client, "POST", f"/jobs/{job_id}/resume")).status_code in (200, 409)
    estate.let_work(1)
    await estate.until(has_answers, "the first answers")
    known = (await estate.ask(client, "GET", f"/jobs/{job_id}/workers")).json()["data"]
    [someone] = [worker for worker in known if worker["answers"]]  # without the market's made-up second worker
    path = f"/jobs/{job_id}/workers/{someone['worker']}/trust"

    async def is_kept_out() -> bool:
        return bool((await estate.ask(client, "GET", path)).json()["kept_out"])

    async def is_let_in() -> bool:
        return not await is_kept_out()

    word = {"state": "suspended", "reason": "to see what happens"}
    assert (await estate.ask(client, "PUT", path, json=word)).status_code == 200
    await estate.until(is_kept_out, "the suspended worker is kept out")
    assert (await estate.ask(client, "DELETE", path)).status_code == 200
    await estate.until(is_let_in, "the worker is let in again")


async def end(estate: Estate, client: httpx.AsyncClient, job_id: str, *, seconds: float) -> None:
    """Wait until the job is done and every point has been hit that was asked for."""
    wanted = ALL if estate.only is None else frozenset(estate.only)

    async def is_done() -> bool:
        state = (await estate.ask(client, "GET", f"/jobs/{job_id}")).json()["state"]
        return bool(state == "done")

    await estate.until(is_done, "the job is done", seconds=seconds)
    missed = wanted - {point for point, _, _ in estate.book.hits()}
    assert not missed, f"never reached: {sorted(missed)}"
