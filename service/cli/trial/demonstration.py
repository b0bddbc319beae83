"""The demo's job: handwritten digits, gold among them, and a made-up crowd of which a quarter spams."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from aggregation import LabelTable, aggregate
from gold.choose import needed
from service.cli.trial.digits import Digit, draw_digits
from service.cli.trial.house import House, TrialError, crowd

LABELS = tuple("0123456789")
SPEC: dict[str, Any] = {
    "name": "Handwritten digits",
    "title": "Read handwritten digits",
    "description": "Look at small pictures of handwritten digits and say which digit each shows.",
    "keywords": ["digits", "handwriting", "image"],
    "task": {
        "type": "choice",
        "question": "Which digit is this?",
        "labels": list(LABELS),
        "template": [{"field": "image", "show": "image", "title": "Digit"}],
    },
    "guidelines": "Choose the digit that the picture **most likely** shows. Sevens may have a bar.",
    "bundle": {"items": 5, "gold": 1},
    "redundancy": {"minimum": 3, "maximum": 7, "target_confidence": 0.9},
    "reward": "0.10",
    "times": {"assignment": 30},
}
_SEED = 7
_SPEED = 20  # simulated seconds a second: a HIT takes a worker a third of a minute
_POLL_SECONDS = 0.25
_PATIENCE_SECONDS = 90

Watch = Callable[[Mapping[str, Any]], None]


class Desk(msgspec.Struct):
    """What a demo that was interrupted needs to carry on, kept beside the data folder."""

    job_id: str
    invitations: list[str]
    n_items: int


@dataclass(frozen=True)
class Outcome:
    """What the demo shows at the end. Accuracies are shares of all items; money is in cents."""

    job_id: str
    items: int
    answers: int
    accuracy_majority: float
    accuracy_assay: float
    spent_cents: int
    worst_case_cents: int
    seconds: float
    workers: list[dict[str, Any]]
    labels_file: Path


def run(house: House, folder: Path, *, items: int, workers: int, anew: bool, watch: Watch) -> Outcome:
    """Carry on with the job of the folder, or begin one, and watch it to its end."""
    started = time.monotonic()
    desk_file = folder / "desk.json"
    desk = None if anew else _kept(desk_file, house)
    digits = draw_digits(desk.n_items if desk else items, _SEED)
    golds = draw_digits(len(digits) + _gold_needed(len(digits)), _SEED)[len(digits) :]
    if desk is None:
        desk = _begin(house, digits, golds, workers)
        desk_file.write_bytes(msgspec.json.encode(desk))
    truth = folder / "truth.json"
    truth.write_text(json.dumps({digit.image: digit.digit for digit in [*digits, *golds]}))
    invitations = folder / "invitations.txt"
    invitations.write_text("\n".join(f"{house.url}{path}" for path in desk.invitations))
    options = ["--base", house.url, "--invitations", str(invitations), "--truth", str(truth)]
    options += ["--labels", str(len(LABELS)), "--seed", str(_SEED), "--speed", str(_SPEED), "--arrival", "30"]
    with crowd(house.crowd_log, "made-up", *options):
        progress = _follow(house, desk.job_id, watch)
    return _outcome(house, desk, digits, folder, progress, time.monotonic() - started)


def _gold_needed(n_items: int) -> int:
    return needed(n_items, SPEC["bundle"]["items"], SPEC["bundle"]["gold"])


def _kept(desk_file: Path, house: House) -> Desk | None:
    """Return the desk of a job that is not over, or None."""
    try:
        desk = msgspec.json.decode(desk_file.read_bytes(), type=Desk)
        state = house.api("GET", f"/jobs/{desk.job_id}")["state"]
    except (OSError, msgspec.DecodeError, TrialError):
        return None
    return desk if state in ("running", "paused") else None


def _begin(house: House, digits: list[Digit], golds: list[Digit], workers: int) -> Desk:
    hits = _gold_needed(len(digits))
    most = SPEC["redundancy"]["maximum"]
    budget = hits * most * 12 / 100  # 10 cents of reward and 2 of fee for each assignment
    job_id: str = house.api("POST", "/jobs", json={**SPEC, "budget": f"{budget:.2f}"})["job_id"]
    _upload(house, job_id, "items", [{"external_id": d.name, "payload": {"image": d.image}} for d in digits])
    gold = [{"external_id": d.name, "payload": {"image": d.image}, "accepted": d.digit} for d in golds]
    _upload(house, job_id, "gold", gold)
    house.assay("marketplace", "deposit", f"{budget:.2f}")
    invitations = [link.removeprefix(house.url) for link in house.invite(workers)]
    house.api("POST", f"/jobs/{job_id}/launch")
    return Desk(job_id, invitations, len(digits))


def _upload(house: House, job_id: str, what: str, rows: list[dict[str, Any]]) -> None:
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    house.api(
        "POST", f"/jobs/{job_id}/{what}", content=lines.encode(), headers={"Content-Type": "application/x-ndjson"}
    )


def _follow(house: House, job_id: str, watch: Watch) -> dict[str, Any]:
    last, since = None, time.monotonic()
    while True:
        progress: dict[str, Any] = house.api("GET", f"/jobs/{job_id}/progress")
        watch(progress)
        if progress["state"] == "done":
            return progress
        if progress["state"] != "running":
            reason = progress["pause_reason"] or "no reason given"
            raise TrialError(f"the job is {progress['state']} ({reason}); its log is {house.log}")
        news = (progress["answers"], progress["hits"], progress["budget"])
        if news != last:
            last, since = news, time.monotonic()
        elif time.monotonic() - since > _PATIENCE_SECONDS:
            raise TrialError(f"nothing has moved for {_PATIENCE_SECONDS} seconds; the log is {house.log}")
        time.sleep(_POLL_SECONDS)


def _outcome(
    house: House, desk: Desk, digits: list[Digit], folder: Path, progress: Mapping[str, Any], seconds: float
) -> Outcome:
    truth = {digit.name: digit.digit for digit in digits}
    labels = {row["external_id"]: row["label"] for row in _ndjson(house, f"/jobs/{desk.job_id}/labels")}
    answers = [row for row in _ndjson(house, f"/jobs/{desk.job_id}/answers") if row["external_id"] in truth]
    labels_file = folder / "labels.csv"
    labels_file.write_text(house.request("GET", f"/jobs/{desk.job_id}/labels", params={"format": "csv"}).text)
    budget = progress["budget"]
    return Outcome(
        job_id=desk.job_id,
        items=len(truth),
        answers=len(answers),
        accuracy_majority=_majority_accuracy(answers, truth),
        accuracy_assay=sum(labels.get(name) == digit for name, digit in truth.items()) / len(truth),
        spent_cents=budget["spent_cents"],
        worst_case_cents=budget["limit_cents"],
        seconds=seconds,
        workers=_workers(house, desk.job_id),
        labels_file=labels_file,
    )


def _majority_accuracy(answers: list[dict[str, Any]], truth: Mapping[str, str]) -> float:
    """Return the accuracy of majority vote over the same answers; a tie counts as the share of it that is right."""
    names = {name: number for number, name in enumerate(truth)}
    workers = {worker: number for number, worker in enumerate({row["worker"] for row in answers})}
    item, worker, label = np.array(
        [(names[row["external_id"]], workers[row["worker"]], LABELS.index(row["label"])) for row in answers]
    ).T
    table = LabelTable.from_arrays(item, worker, label, len(LABELS), n_items=len(names))
    shares = aggregate(table, method="majority").posterior
    best = np.isclose(shares, shares.max(axis=1, keepdims=True))
    right = best[np.arange(len(names)), [LABELS.index(digit) for digit in truth.values()]]
    return float((right / best.sum(axis=1)).mean())


def _workers(house: House, job_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    params: dict[str, Any] = {"limit": 100}
    while True:
        page = house.api("GET", f"/jobs/{job_id}/workers", params=params)
        found += page["data"]
        if page["next"] is None:
            return found
        params["cursor"] = page["next"]


def _ndjson(house: House, path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in house.request("GET", path, params={"format": "ndjson"}).text.splitlines()]
