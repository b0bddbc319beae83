"""The benchmark of the whole path, small: that it runs, what it tells, and that its books balance. Never its speed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from benchmarks.path.whole import check


def test_it_sends_a_small_job_through_everything_and_tells_where_the_time_went():
    size = ["--items", "40", "--workers", "1", "--rounds", "1"]
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.path", "--json", *size], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)

    run = report["workers"]["1"]
    assert (run["jobs"], run["answers"], run["assignments"]) == (1, 120, 24)
    assert report["answers_per_second"] == run["answers_per_second"] > 0
    # Bundles of five, three answers each: 24 assignments of five cents and a fee of one.
    books = report["books"]
    assert books["submitted"] == books["approved"] == books["collected"] == 24
    assert (books["answers"], books["market_paid_cents"], books["spent_cents"]) == (120, 144, 144)

    shares = report["shares"]
    assert set(shares) == {"postgres", "http", "boto3", "pipeline"}
    assert all(share > 0 for share in shares.values())
    assert sum(shares.values()) == pytest.approx(1, abs=0.01)
    for what, peer in (("hits", "boto3"), ("rows", "unnest")):
        ours, bare = report[what]["assay_per_second"], report[what][f"{peer}_per_second"]
        assert report[what]["ratio"] == pytest.approx(ours / bare, rel=0.02)
    assert (report["hits"]["hits"], report["rows"]["rows"]) == (8, 120)


def test_books_that_do_not_balance_end_the_benchmark():
    right = {"submitted": 3, "approved": 3, "collected": 3, "answers": 9}
    right |= {"market_paid_cents": 18, "spent_cents": 18, "reserved_cents": 0}
    assert check(right) == right
    for wrong in ({"collected": 2}, {"approved": 2}, {"spent_cents": 12}, {"reserved_cents": 6}):
        with pytest.raises(SystemExit, match="do not balance"):
            check(right | wrong)
