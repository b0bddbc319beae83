"""`assay aggregate` on files as people have them."""

import csv
import json

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from crowds import simulate
from pyarrow import parquet

from aggregation import METHODS, aggregate
from foundation.errors import PlainError
from service.cli.aggregate import _METHODS
from service.cli.aggregate import aggregate as command

NAMES = np.array(["no", "perhaps", "yes"])


@pytest.fixture
def crowd(tmp_path):
    table, truth = simulate(n_items=80, n_workers=9, accuracy=(0.7, 0.95))
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["worker", "task", "label", "note"])
        for item, worker, label in zip(table.item, table.worker, table.label, strict=True):
            rows.writerow([f"w{worker}", f"t{item}", NAMES[label], "any, thing"])
    for name, chosen in (("truth.csv", range(80)), ("gold.csv", range(10))):
        lines = ["task,label", *(f"t{item},{NAMES[truth[item]]}" for item in chosen)]
        (tmp_path / name).write_text("\n".join(lines))
    return tmp_path, table, truth


def run(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)


def test_labels_and_workers_are_written_and_scored(crowd):
    folder, table, truth = crowd
    shown = run(
        folder / "labels.csv",
        *("--truth", folder / "truth.csv", "--gold", folder / "gold.csv"),
        *("--out", folder / "out.csv", "--workers", folder / "workers.parquet", "--json"),
    )
    summary = json.loads(shown.stdout)
    assert (summary["method"], summary["items"], summary["workers"]) == ("auto", 80, 9)
    assert (summary["answers"], summary["labels"], summary["scored"]) == (400, 3, 70)
    assert summary["converged"] is True
    assert 0.85 < summary["accuracy"] <= 1
    assert {"iterations", "seconds", "ece", "nll"} <= summary.keys()

    expected = aggregate(table, "auto", gold=np.where(np.arange(80) < 10, truth, -1))
    with (folder / "out.csv").open(newline="") as file:
        rows = {row["task"]: row for row in csv.DictReader(file)}
    assert {task: row["label"] for task, row in rows.items()} == {
        f"t{item}": NAMES[label] for item, label in enumerate(expected.labels)
    }
    np.testing.assert_allclose(float(rows["t20"]["confidence"]), expected.confidence[20], atol=1e-9)
    np.testing.assert_allclose(float(rows["t20"]["p_yes"]), expected.posterior[20, 2], atol=1e-9)

    workers = parquet.read_table(folder / "workers.parquet").to_pydict()
    given = np.bincount(table.worker, minlength=9)
    assert dict(zip(workers["worker"], workers["answers"], strict=True)) == {f"w{n}": given[n] for n in range(9)}
    for low, mean, high in zip(workers["accuracy_low"], workers["accuracy"], workers["accuracy_high"], strict=True):
        assert 0 < low < mean < high < 1
    assert {"expected_cost", "quality", "spammer_score", "no answered yes"} <= workers.keys()


def test_truth_says_nothing_before_the_result_is_final(crowd, tmp_path):
    """A true label that nobody gave is no label of the model: it was missed, and nothing else changes."""
    folder, _, truth = crowd
    strange = ["task,label", *(f"t{item},{'never' if item < 8 else NAMES[truth[item]]}" for item in range(80))]
    (tmp_path / "strange.csv").write_text("\n".join(strange))
    shown = [
        json.loads(run(folder / "labels.csv", "--method", "dawid_skene", "--json", *extra).stdout)
        for extra in ((), ("--truth", folder / "truth.csv"), ("--truth", tmp_path / "strange.csv"))
    ]
    inferred = [{name: one[name] for name in ("labels", "iterations", "items")} for one in shown]
    assert inferred[0] == inferred[1] == inferred[2]
    missed = [simple["accuracy"] * 80 for simple in shown[1:]]
    assert 0 < missed[0] - missed[1] <= 8
    assert shown[2]["nll"] > shown[1]["nll"] + 1


def test_parquet_and_numbers_are_read_too(tmp_path):
    rows = {"task": [1, 1, 2, 2], "worker": [7, 8, 7, 8], "label": [10, 10, 9, 9]}
    parquet.write_table(pa.table(rows), tmp_path / "labels.parquet")
    run(tmp_path / "labels.parquet", "--method", "majority", "--out", tmp_path / "out.parquet")
    out = parquet.read_table(tmp_path / "out.parquet").to_pydict()
    assert out["label"] == ["10", "9"]
    assert list(out) == ["task", "label", "confidence", "answers", "p_9", "p_10"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"task,worker\na,b\n", "no column label; needed are task, worker, label"),
        (b"task,worker,label\n", "no answers below its header"),
        (b"task,worker,label\na,b,1\nc,b,2\n", "one worker alone"),
        (b"task,worker,label\na,b,1\na,c,1\n", "one label value alone"),
        (b"task,worker,label\na,b,\xe9t\xe9\nc,d,2\n", "not in UTF-8"),
        (b"task,worker,label\na,b,\nc,d,2\n", "1 rows without a label"),
        (b"task,worker,label\na,b,1\nc,d\n", "Expected 3 columns, got 2"),
        ("task,worker,label\na,b,1\nc,d,2\n".encode("utf-16"), "not in UTF-8"),
        (b"\n\n\n", "is no table"),
        (b"\x00" * 64, "is no table"),
        (b"task;worker;label\na;b;1\nc;d;2\n", "separated by commas"),
    ],
)
def test_a_bad_file_gets_one_clear_line(tmp_path, content, message):
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(PlainError, match=message) as caught:
        run(tmp_path / "labels.csv")
    assert "\n" not in str(caught.value)


def test_what_is_not_there_is_said(crowd, tmp_path):
    folder, *_ = crowd
    with pytest.raises(PlainError, match="there is no file"):
        run(tmp_path / "nothing.csv")
    with pytest.raises(PlainError, match="unknown method 'magic'"):
        run(folder / "labels.csv", "--method", "magic")
    with pytest.raises(PlainError, match="no folder"):
        run(folder / "labels.csv", "--method", "majority", "--out", tmp_path / "nowhere" / "out.csv")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(PlainError, match="it is no Parquet file"):
        run(tmp_path / "broken.parquet")
    (tmp_path / "strange.csv").write_text("task,label\nelsewhere,yes\n")
    with pytest.raises(PlainError, match="no task in common"):
        run(folder / "labels.csv", "--gold", tmp_path / "strange.csv")
    with pytest.raises(PlainError, match="nothing left to score"):
        run(folder / "labels.csv", "--gold", folder / "truth.csv", "--truth", folder / "truth.csv")


def test_a_file_larger_than_memory_is_refused(crowd, monkeypatch):
    from service.cli import answer_files

    monkeypatch.setattr(answer_files, "_free_memory", lambda: 1000)
    with pytest.raises(PlainError, match="larger than the memory that is free"):
        run(crowd[0] / "labels.csv")


def test_help_names_every_method():
    assert _METHODS.split(", ") == list(METHODS)
