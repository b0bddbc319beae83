"""A recorded job sent through everything: API, pipeline, boto3, marketplace and worker site."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from service.cli.trial.house import House, TrialError, crowd, tail
from service.cli.trial.recorded import Recorded, read_recorded

_CLOSE = 1e-9
_REWARD = "0.01"
_POLL_SECONDS = 0.5
_SILENCE_SECONDS = 120  # without a new answer or a step of the job, something is stuck
_CALM_SECONDS = 5  # after which a job that waits for answers that nobody will give is as far as it goes

Watch = Callable[[Mapping[str, Any]], None]


def replay(house: House, folder: Path, *, limit: int | None, withhold: int, watch: Watch) -> dict[str, Any]:
    """Run the job to its end, or, where answers are withheld, as far as it goes; returns the report.

    `withhold` leaves out the last answers of the recording, so that one can see that the comparison would notice.
    """
    recorded = read_recorded(folder, limit=limit)
    spec = job_spec(recorded, folder.name)
    started = time.monotonic()
    job_id = _launch(house, recorded, spec)
    with tempfile.TemporaryDirectory() as desk:
        invitations = Path(desk) / "invitations.txt"
        invitations.write_text("\n".join(house.invite(recorded.n_workers + 1)))
        options = ["--base", house.url, "--invitations", str(invitations), "--withhold", str(withhold)]
        options += ["--limit", str(limit)] if limit else []
        with crowd(
            house.crowd_log, "replay", *options, "--patience", "20" if withhold else "600", str(folder)
        ) as people:
            progress = _follow(house, job_id, people, watch, whole=not withhold)
    seconds = time.monotonic() - started
    labels = labels_of(house, job_id)
    return {
        "set": folder.name,
        "accuracy": accuracy(labels, recorded.truth),
        "answers_recorded": len(recorded.answers),
        "answers_collected": progress["answers"],
        "repeats_dropped": recorded.repeats,
        "hits": progress["hits"]["total"],
        "seconds": round(seconds, 1),
        "labels_equal": labels_equal(labels, recount(folder, limit)),
        "state": progress["state"],
    }


def job_spec(recorded: Recorded, name: str) -> dict[str, Any]:
    """Return the spec under which each task is asked of as many workers as once answered it."""
    fields = list(dict.fromkeys(field for payload in recorded.payloads.values() for field in payload))
    most = max(recorded.redundancy().values())
    return {
        "name": f"replay of {name}",
        "task": {
            "type": "choice",
            "question": "Which label fits?",
            "labels": list(recorded.labels),
            "template": [{"field": field} for field in fields],
        },
        "reward": _REWARD,
        "budget": f"{len(recorded.answers) * 4 / 100 + 1:.2f}",
        "redundancy": {"minimum": 1, "maximum": most, "target_confidence": 1.0},
        "allow_ten_or_more": most >= 10,
    }


def recount(folder: Path, limit: int | None) -> dict[str, tuple[str, list[float]]]:
    """Return (label, probabilities) by task as `aggregate` infers them from the file, in a fresh process."""
    command = [sys.executable, "-m", "service.cli.trial.recount", str(folder), *([str(limit)] if limit else [])]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
    if ran.returncode:
        raise TrialError(f"the recount failed: {ran.stderr.strip()[-500:]}")
    rows = map(json.loads, ran.stdout.splitlines())
    return {row["task"]: (row["label"], row["probabilities"]) for row in rows}


def labels_equal(
    labels: Mapping[str, Mapping[str, Any]], expected: Mapping[str, tuple[str, list[float]]], *, close: float = _CLOSE
) -> bool:
    """Tell whether items, labels and, within 1e-9, probabilities are the expected ones."""
    if labels.keys() != expected.keys():
        return False
    for external_id, (label, probabilities) in expected.items():
        row = labels[external_id]
        got = _probabilities(row)
        if row["label"] != label or len(got) != len(probabilities):
            return False
        if max(abs(a - b) for a, b in zip(got, probabilities, strict=True)) > close:
            return False
    return True


def labels_of(house: House, job_id: str) -> dict[str, dict[str, Any]]:
    """Return the rows of GET labels by external_id."""
    answer = house.request("GET", f"/jobs/{job_id}/labels", headers={"Accept": "application/x-ndjson"})
    rows = map(json.loads, answer.text.splitlines())
    return {row["external_id"]: row for row in rows}


def accuracy(labels: Mapping[str, Mapping[str, Any]], truth: Mapping[str, str]) -> float | None:
    """Return the share of the items whose truth is known that have the true label; None where none is known."""
    if not truth:
        return None
    right: int = sum(task in labels and labels[task]["label"] == label for task, label in truth.items())
    return round(right / len(truth), 6)


def _probabilities(row: Mapping[str, Any]) -> list[float]:
    found: dict[str, float] = row["probabilities"] or {}
    return list(found.values())


def _launch(house: House, recorded: Recorded, spec: dict[str, Any]) -> str:
    job = house.api("POST", "/jobs", json=spec)
    counts = recorded.redundancy()
    lines = (
        json.dumps({"external_id": task, "payload": payload, "minimum": counts[task], "maximum": counts[task]}) + "\n"
        for task, payload in recorded.payloads.items()
    )
    job_id: str = job["job_id"]
    house.api(
        "POST",
        f"/jobs/{job_id}/items",
        content="".join(lines).encode(),
        headers={"Content-Type": "application/x-ndjson"},
    )
    estimate = house.api("GET", f"/jobs/{job_id}/estimate")
    house.assay("marketplace", "deposit", f"{estimate['worst_case_total_cents'] / 100:.2f}")
    house.api("POST", f"/jobs/{job_id}/launch")
    return job_id


def _follow(house: House, job_id: str, people: subprocess.Popen[bytes], watch: Watch, *, whole: bool) -> dict[str, Any]:
    """Wait for the job's end, or, where answers are withheld and the crowd has gone, until nothing moves any more."""
    last_news, last = time.monotonic(), None
    while True:
        progress: dict[str, Any] = house.api("GET", f"/jobs/{job_id}/progress")
        watch(progress)
        if progress["state"] in ("done", "cancelled"):
            return progress
        if progress["state"] == "paused":
            raise TrialError(f"the job is paused: {progress['pause_reason']}; the log is {house.log}")
        news = (progress["answers"], progress["hits"], progress["budget"])
        now = time.monotonic()
        if news != last:
            last_news, last = now, news
        if people.poll() not in (None, 0):
            raise TrialError(f"the crowd went home; its log ends: {tail(house.crowd_log)}")
        calm = not whole and people.poll() == 0 and now - last_news > _CALM_SECONDS
        if calm and _all_counted(house, progress):
            return progress
        if now - last_news > _SILENCE_SECONDS:
            raise TrialError(f"nothing has moved for {_SILENCE_SECONDS} seconds; the log is {house.log}")
        time.sleep(_POLL_SECONDS)


def _all_counted(house: House, progress: Mapping[str, Any]) -> bool:
    """Tell whether all that the crowd gave has been collected, paid, and counted by a run."""
    given = json.loads(house.crowd_log.read_text().splitlines()[-1])["answers_given"]
    counted = sum(row["answers"] for row in labels_of(house, progress["job_id"]).values())
    return bool(given == progress["answers"] == counted and progress["on_the_way"] == 0)
