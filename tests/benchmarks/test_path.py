"""The benchmark of the whole path, small: that it runs, what it tells, and that its books balance. Never its speed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.path.whole import check

PATH = [sys.executable, "-m", "benchmarks.path", "--json", "--no-warm"]
PATH += ["--items", "20", "--workers", "1", "--rounds", "1"]
SECONDS = 60


def test_it_sends_a_small_job_through_everything_and_tells_where_the_time_went():
    ran = subprocess.run(PATH, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)

    run = report["workers"]["1"]
    assert (run["jobs"], run["answers"], run["assignments"]) == (1, 60, 12)
    assert report["answers_per_second"] == run["answers_per_second"] > 0
    # Bundles of five, three answers each: 12 assignments of five cents and a fee of one.
    books = report["books"]
    assert books["submitted"] == books["approved"] == books["collected"] == 12
    assert (books["answers"], books["market_paid_cents"], books["spent_cents"]) == (60, 72, 72)

    shares = report["shares"]
    assert set(shares) == {"postgres", "http", "boto3", "pipeline"}
    assert all(share > 0 for share in shares.values())
    assert sum(shares.values()) == pytest.approx(1, abs=0.01)
    for what, peer in (("hits", "boto3"), ("rows", "unnest")):
        ours, bare = report[what]["assay_per_second"], report[what][f"{peer}_per_second"]
        assert report[what]["ratio"] == pytest.approx(ours / bare, rel=0.02)
    assert (report["hits"]["hits"], report["rows"]["rows"]) == (4, 60)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are told apart by /proc")
def test_told_to_end_it_leaves_nothing_behind(tmp_path):
    mark = f"PATH_BENCHMARK_OF={tmp_path}"
    name, _, value = mark.partition("=")
    running = subprocess.Popen(PATH, env=os.environ | {name: value}, stdout=subprocess.DEVNULL)
    try:
        until(lambda: any(b"ASSAY_DATA=" in environment for _, environment in processes(mark)))
        folders = [re.search(rb"ASSAY_DATA=([^\0]+)/data", environment) for _, environment in processes(mark)]
        folder = next(found[1].decode() for found in folders if found)
    finally:
        running.send_signal(signal.SIGTERM)
    assert running.wait(SECONDS) == 128 + signal.SIGTERM
    assert not Path(folder).exists()
    until(lambda: not list(processes(mark)))
    assert [command for command, _ in processes() if folder.encode() in command] == [], "Postgres is gone too"


def until(condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def processes(mark=""):
    """Yield the command lines and environments of the processes that have a mark in their environment."""
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                command, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
            except OSError:
                continue
            if mark.encode() in environment:
                yield command, environment


def test_books_that_do_not_balance_end_the_benchmark():
    right = {"submitted": 3, "approved": 3, "collected": 3, "answers": 9}
    right |= {"market_paid_cents": 18, "spent_cents": 18, "reserved_cents": 0}
    assert check(right) == right
    for wrong in ({"collected": 2}, {"approved": 2}, {"spent_cents": 12}, {"reserved_cents": 6}):
        with pytest.raises(SystemExit, match="do not balance"):
            check(right | wrong)
