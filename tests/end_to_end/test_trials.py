"""Whole jobs, in processes of their own: what a person sees at the end of `assay replay` and `assay demo`."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from service.cli.trial.house import House
from service.cli.trial.recorded import read_recorded
from service.cli.trial.replayed import labels_equal, recount, replay

# A shell's background jobs ignore Ctrl-C, and hand that on to what they start.
LISTEN = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
ASSAY = (sys.executable, "-c", f"{LISTEN}; from service.cli import main; main()")
QUIET = {"ASSAY_LOG_LEVEL": "warning"}

pytestmark = pytest.mark.xdist_group("end to end")


@pytest.fixture
def data():
    """A data folder outside pytest's own, which is closed to the user that Postgres runs as where we are root."""
    with tempfile.TemporaryDirectory(prefix="assay-trial-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "data"


@pytest.fixture
def recordings(tmp_path):
    """A small recording with what is awkward: markup, a worker who answered twice, many redundancies."""
    folder = tmp_path / "small"
    folder.mkdir()
    rows = [
        (task, f"w{worker}", "yes" if (task * 7 + worker * worker) % 5 else "no")
        for task in range(12)
        for worker in range(2 + task % 4)
    ]
    rows += [(11, f"w{worker}", "no") for worker in range(10, 17)]  # more than nine answers to one item
    rows += [(3, "w1", "no"), (3, "w1", "yes")]
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("task", "worker", "label"), *rows])
    with (folder / "truth.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("task", "label"), *((task, "yes") for task in range(12))])
    items = [{"task": str(task), "text": f"<b>sentence</b> & {task} \u2028 ]]>"} for task in range(12)]
    (folder / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    return folder


def run(folder, data, **options):
    with House(data, env=QUIET) as house:
        return replay(
            house, folder, limit=options.get("limit"), withhold=options.get("withhold", 0), watch=lambda _: None
        )


def test_recorded_answers_come_out_as_the_labels_that_they_imply(recordings, data):
    report = run(recordings, data)
    assert report["answers_collected"] == report["answers_recorded"] == len(read_recorded(recordings).answers)
    assert report["repeats_dropped"] == 2
    assert report["hits"] == 12
    assert report["labels_equal"] is True
    assert report["state"] == "done"


def test_one_withheld_answer_is_seen(recordings, data):
    report = run(recordings, data, withhold=1)
    assert report["answers_collected"] == report["answers_recorded"] - 1
    assert report["labels_equal"] is False


def test_a_probability_that_is_off_by_a_little_is_seen(recordings):
    expected = recount(recordings, None)
    labels = {
        task: {"label": label, "probabilities": dict(enumerate(probabilities))}
        for task, (label, probabilities) in expected.items()
    }
    assert labels_equal(labels, expected)
    labels["5"]["probabilities"][0] += 2e-9
    assert not labels_equal(labels, expected)


def test_killed_in_the_middle_it_goes_on_and_nothing_is_lost(recordings, data):
    """kill -9 of the one process that is everything, twice, while the crowd works on."""
    with House(data, env=QUIET) as house:
        deaths = []

        def watch(progress):
            if len(deaths) < 2 and progress["answers"] > 8 * (len(deaths) + 1):
                deaths.append(progress["answers"])
                house.kill()
                house.start()

        report = replay(house, recordings, limit=None, withhold=0, watch=watch)
    assert len(deaths) == 2
    assert report["answers_collected"] == report["answers_recorded"]
    assert report["labels_equal"] is True


@pytest.mark.parametrize(("name", "limit"), [("temp", 25), ("rte", 25), ("sp", 60)])
def test_public_recordings(name, limit, data):
    if "ASSAY_DATASETS" not in os.environ:
        pytest.skip("ASSAY_DATASETS is not set: no recorded answers to replay")
    report = run(Path(os.environ["ASSAY_DATASETS"]) / name, data, limit=limit)
    assert report["answers_collected"] == report["answers_recorded"]
    assert report["labels_equal"] is True


def test_the_demo_runs_is_interrupted_carries_on_and_ends(data):
    command = [*ASSAY, "demo", "--data", str(data.parent / "demo"), "--items", "40", "--workers", "12"]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for line in first.stdout:
        if "answered" in line and "answered 0" not in line:
            break
    first.send_signal(signal.SIGINT)
    rest, _ = first.communicate(timeout=60)
    assert "run it again to carry on" in rest
    assert first.returncode == 130
    started = time.monotonic()
    second = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert second.returncode == 0, second.stderr
    assert "Majority vote" in second.stdout
    assert "of 40 items right" in second.stdout
    assert "90% interval" in second.stdout
    labels = data.parent / "demo" / "labels.csv"
    assert len(labels.read_text().splitlines()) == 41
    assert time.monotonic() - started < 300
