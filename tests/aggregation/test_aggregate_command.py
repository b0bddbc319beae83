"""`assay aggregate` on files as people have them."""

import csv
import gzip
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from crowds import simulate
from pyarrow import csv as pa_csv
from pyarrow import parquet

from aggregation import METHODS, aggregate, watching
from foundation.errors import PlainError
from service.cli import progress, source_files
from service.cli.aggregate import _METHODS
from service.cli.aggregate import aggregate as command
from service.cli.free_memory import NO_LIMIT, free_memory

NAMES = np.array(["no", "perhaps", "yes"])
SUMMARY = ["method", "items", "workers", "answers", "labels", "iterations", "converged", "seconds"]


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


def run(*arguments, stdin=None):
    given = [str(argument) for argument in arguments]
    return CliRunner().invoke(command, given, catch_exceptions=False, input=stdin)


def test_labels_and_workers_are_written_and_scored(crowd):
    folder, table, truth = crowd
    shown = run(
        folder / "labels.csv",
        *("--truth", folder / "truth.csv", "--gold", folder / "gold.csv"),
        *("--out", folder / "out.csv", "--workers", folder / "workers.parquet", "--json"),
    )
    summary = json.loads(shown.stdout)
    assert (summary["method"], summary["items"], summary["workers"]) == ("auto", 80, 9)
    assert (summary["answers"], summary["labels"], summary["converged"]) == (400, 3, True)
    assert 0.85 < summary["accuracy"] <= 1
    assert list(summary) == [*SUMMARY, "accuracy", "ece", "nll"]
    assert shown.stderr == "assay: scored on 70 tasks; 10 more are gold\n"

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


def test_what_auto_chose_and_why_is_said(crowd):
    folder, table, _ = crowd
    pool = aggregate(table, "auto").params["pool"]
    lines = run(folder / "labels.csv").stdout.splitlines()
    assert [line for line in lines if line.startswith("chosen ")] == [
        f"chosen       {model['weight']:.0%} the model with {name}: "
        f"it foresees an answer with a chance of {np.exp(model['foresees']):.4f}"
        for model, name in zip(pool, ("no subtypes", "3 subtypes of each label"), strict=True)
    ]
    assert lines[-1].startswith("majority     overruled on ")
    assert "chosen" not in run(folder / "labels.csv", "--method", "wawa").stdout


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
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"task,worker\na,b\n", "no column label; needed are task, worker, label, separated by commas, and"),
        ("a.csv", b"\x1b[2Jtask,worker\na,b\n", "there are: \ufffd.2Jtask, worker$"),
        ("a.csv", b"task;worker;answer\na;b;1\nc;d;2\n", "by semicolons, and there are: task, worker, answer$"),
        ("a.csv", b"task,label,worker,label\na,1,b,2\n", "2 columns named label: rename or remove all but one"),
        ("a.csv", b"task,Label,worker,LABEL\na,1,b,2\n", "2 columns named label: rename or remove all but one"),
        ("a.csv", b"task,worker,label\n", "no answers below its header"),
        ("a.csv", b"task,worker,label\na,b,1\nc,b,2\n", "one worker alone"),
        ("a.csv", b"task,worker,label\na,b,1\na,c,1\n", "one label value alone"),
        ("a.csv", b"task,worker,label\na,b,\xe9t\xe9\nc,d,2\n", "not in UTF-8"),
        ("a.csv", "task,worker,label\na,b,1\nc,d,2\n".encode("utf-16"), "UTF-16, not in UTF-8: .* iconv -f utf-16"),
        ("a.csv", b"task,worker,label\na,b,\nc,d,2\n", "has 1 row without a label"),
        ("a.csv", b"task,worker,label\na,b,1\nc,d,2\nc,d\n", "row 4 has 2 columns, where the first has 3: c,d"),
        ("a.csv", b"task,worker,label\na,b,1\x00\nc,d,2\n", "NUL bytes in the column label"),
        ("a.csv", b"\n\n\n", "is no table"),
        ("a.csv", b"\x00" * 64, "is no table"),
        ("a.csv", b'task,worker,label\na,b,1\n"c,d,2\ne,f,1\n', "row 3 opens a quote that is never closed: "),
        ("a.csv", gzip.compress(b"task,worker,label\na,b,1\nc,d,2\n", mtime=0)[:-12], "cannot be read"),
        ("a.xlsx", b"PK\x03\x04 and so on", "an archive or a workbook"),
        ("a.parquet", b"task,worker,label\na,b,1\nc,d,2\n", "no Parquet file"),
        ("a.csv", b"PAR1 and no more", "no Parquet file"),
        ("a.csv", "task,worker,label\n" + "".join(f"t,w{n},{n}\n" for n in range(1001)), "at most 1000 label values"),
    ],
)
def test_a_bad_file_gets_one_clear_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(PlainError, match=message) as caught:
        run(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (pa.array([0.0, None, 1.0]), "1 row without a label"),
        (pa.array([0.0, float("nan"), 1.0]), "1 row without a label"),
        (pa.array([[0], [1], [1]]), "its column label holds list<"),
        (pa.nulls(3), "3 rows without a label"),
    ],
)
def test_a_bad_column_of_parquet_gets_one_clear_line(tmp_path, labels, message):
    columns = {"task": ["a", "a", "b"], "worker": ["v", "w", "v"], "label": labels}
    parquet.write_table(pa.table(columns), tmp_path / "labels.parquet")
    with pytest.raises(PlainError, match=message):
        run(tmp_path / "labels.parquet")


def test_what_is_odd_about_gold_is_said_and_the_rest_of_it_used(crowd, tmp_path):
    folder, _, truth = crowd
    (tmp_path / "gold.csv").write_text(
        f"task,label\nt0,{NAMES[1 - truth[0] % 2]}\nnobody,yes\nt1,certainly\nt2,yes\nt2,no\nt2,no\n"
    )
    shown = run(folder / "labels.csv", "--gold", tmp_path / "gold.csv", "--method", "wawa", "--json")
    assert shown.stderr.splitlines() == [
        f"assay: {tmp_path / 'gold.csv'} has 1 task that nobody answered, left out",
        f"assay: {tmp_path / 'gold.csv'} has several labels for 1 task: each of them is right",
        f"assay: {tmp_path / 'gold.csv'} has 1 label value that nobody gave: certainly",
    ]
    assert json.loads(shown.stdout)["labels"] == 4


def test_label_values_that_look_like_slips_are_named(tmp_path):
    (tmp_path / "labels.csv").write_text("task,worker,label\na,v,1\na,w,1.0\na,x,NaN\nb,v,none\nb,w,01\nb,x,2\n")
    assert run(tmp_path / "labels.csv", "--method", "majority", "--json").stderr.splitlines() == [
        "assay: NaN is taken for a label value: leave its rows out if it says that there is no answer",
        "assay: 01, 1, 1.0 are taken for different label values: write the same number in the same way",
    ]


def test_a_name_of_a_column_that_is_misspelt_is_refused_and_no_other_taken_for_it(crowd):
    folder, *_ = crowd
    with pytest.raises(PlainError, match="no column anwser; needed are task, worker, anwser, separated by commas"):
        run(folder / "labels.csv", "--columns", "task,worker,anwser")


def test_repeated_answers_are_counted_beside_the_summary(tmp_path):
    (tmp_path / "labels.csv").write_text("task,worker,label\na,v,1\na,w,1\na,v,2\nb,w,2\n")
    shown = run(tmp_path / "labels.csv", "--method", "majority", "--json", "--out", tmp_path / "out.csv")
    assert list(json.loads(shown.stdout)) == SUMMARY
    assert shown.stderr.startswith("assay: 1 answer left out")
    out = csv.DictReader((tmp_path / "out.csv").read_text().splitlines())
    assert [(row["task"], row["label"], row["answers"], row["p_1"]) for row in out] == [
        ("a", "2", "2", "0.5"),
        ("b", "2", "1", "0"),
    ]


def with_marks(content, mark):
    return content.replace(b'"any, thing"', b"any thing").replace(b",", mark)


# The same answers in other clothes: what the file is called, its bytes, and what has to be said of it.
CLOTHES = {
    "gzip": ("other.csv.gz", gzip.compress, ()),
    "gzip, and its name does not tell": ("other.csv", gzip.compress, ()),
    "tabs": ("other.tsv", lambda content: with_marks(content, b"\t"), ()),
    "tabs, and its name does not tell": ("other.csv", lambda content: with_marks(content, b"\t"), ()),
    "semicolons": ("other.csv", lambda content: with_marks(content, b";"), ()),
    "a mark of its encoding": ("other.csv", lambda content: b"\xef\xbb\xbf" + content, ()),
    "lines of Windows": ("other.csv", lambda content: content.replace(b"\n", b"\r\n"), ()),
    "spaces and capitals": ("other.csv", lambda content: with_marks(content, b", ").replace(b"task", b"Task"), ()),
    "other names": ("other.csv", lambda content: content.replace(b"task", b"item"), ("--columns", "item,worker,label")),
    "texts of several lines": ("other.csv", lambda content: content.replace(b", thing", b"\n" + 8000 * b"x, "), ()),
    "a long row": ("other.csv", lambda content: content.replace(b", thing", 2_000_000 * b"x", 1), ()),
    "a long header": ("other.csv", lambda content: content.replace(b"note", b"n" * 100_000), ()),
    "a pipe": (None, bytes, ()),
    "a packed pipe": (None, gzip.compress, ()),
}


@pytest.mark.parametrize("how", [*CLOTHES, "parquet by another name"])
def test_files_are_taken_as_they_come(crowd, how):
    folder, *_ = crowd
    name, change, more = CLOTHES.get(how, ("other.data", None, ()))
    content, given = (folder / "labels.csv").read_bytes(), None
    if change is None:
        parquet.write_table(pa_csv.read_csv(folder / "labels.csv"), folder / name)
    elif name is None:
        given = change(content)
    else:
        (folder / name).write_bytes(change(content))
    other = "-" if given else folder / name
    options = ("--method", "wawa", "--json", "--out", folder / "out.parquet")
    first, other = (
        (json.loads(run(*file, *options, stdin=given).stdout), parquet.read_table(folder / "out.parquet"))
        for file in ((folder / "labels.csv",), (other, *more))
    )
    assert first[0] | {"seconds": 0} == other[0] | {"seconds": 0}
    assert first[1] == other[1]


def test_what_is_not_there_is_said(crowd, tmp_path):
    folder, *_ = crowd
    with pytest.raises(PlainError, match="there is no file"):
        run(tmp_path / "nothing.csv")
    with pytest.raises(PlainError, match="unknown method 'magic'"):
        run(folder / "labels.csv", "--method", "magic")
    with pytest.raises(PlainError, match="no folder"):
        run(folder / "labels.csv", "--method", "majority", "--out", tmp_path / "nowhere" / "out.csv")
    with pytest.raises(PlainError, match="is a folder"):
        run(tmp_path)
    with pytest.raises(PlainError, match="it is a folder; name a file in it"):
        run(folder / "labels.csv", "--workers", tmp_path)
    with pytest.raises(PlainError, match=r"name a file that ends with .csv, .tsv, .parquet or .csv.gz"):
        run(folder / "labels.csv", "--out", tmp_path / "out.xlsx")
    with pytest.raises(PlainError, match="is read here: write to another file"):
        run(folder / "labels.csv", "--out", folder / "labels.csv")
    with pytest.raises(PlainError, match="no file to write to"):
        run(folder / "labels.csv", "--out", "-")
    with pytest.raises(PlainError, match="needs the names of three columns"):
        run(folder / "labels.csv", "--columns", "item,label")
    with pytest.raises(PlainError, match="standard input can be one file alone"):
        run("-", "--gold", "-")
    with pytest.raises(PlainError, match="name two files"):
        run(folder / "labels.csv", "--out", tmp_path / "out.csv", "--workers", tmp_path / "out.csv")
    (tmp_path / "strange.csv").write_text("task,label\nelsewhere,yes\n")
    with pytest.raises(PlainError, match="no task in common"):
        run(folder / "labels.csv", "--gold", tmp_path / "strange.csv")
    (tmp_path / "bare.csv").write_text("task,label\n")
    with pytest.raises(PlainError, match="no labels below its header"):
        run(folder / "labels.csv", "--gold", tmp_path / "bare.csv")
    with pytest.raises(PlainError, match="nothing left to score"):
        run(folder / "labels.csv", "--gold", folder / "truth.csv", "--truth", folder / "truth.csv")


def test_a_file_larger_than_memory_is_refused(crowd, monkeypatch):
    monkeypatch.setattr(source_files, "free_memory", lambda: 1000)
    with pytest.raises(PlainError, match="larger than the memory that is free"):
        run(crowd[0] / "labels.csv")
    with pytest.raises(PlainError, match="standard input is larger than the memory that is free"):
        run("-", stdin=(crowd[0] / "labels.csv").read_bytes())


def test_memory_that_is_free_is_what_the_least_limit_leaves(tmp_path):
    """The machine has 8 GB to give, the control group 3 of 4, the one above it 2 of 5 and half a one of files."""
    proc, groups, kb, gb = tmp_path / "proc", tmp_path / "groups", 1 << 10, 1 << 30
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text(f"MemTotal: {9 * gb // kb} kB\nMemAvailable: {8 * gb // kb} kB\n")
    assert free_memory(proc, groups) == 8 * gb
    (proc / "self/cgroup").write_text("0::/pod/one\n")
    for path, limit, taken in (("pod", 5 * gb, 3 * gb), ("pod/one", 4 * gb, gb)):
        (groups / path).mkdir(parents=True)
        (groups / path / "memory.max").write_text(f"{limit}\n")
        (groups / path / "memory.current").write_text(f"{taken}\n")
    assert free_memory(proc, groups) == 2 * gb
    (groups / "pod/memory.stat").write_text(f"anon 7\ninactive_file {gb // 2}\n")
    assert free_memory(proc, groups) == 5 * gb // 2
    (groups / "pod/memory.max").write_text("max\n")
    assert free_memory(proc, groups) == 3 * gb
    assert free_memory(tmp_path, tmp_path) == NO_LIMIT


def test_where_there_is_no_memory_a_command_says_so_and_a_process_knows_its_own_limit():
    code = (
        "import click, resource; from service.cli.free_memory import free_memory; from service.cli import main;"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize();"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (60 << 20), -1)); print(0 < free_memory() <= 60 << 20);"
        "main.add_command(click.Command('huge', callback=lambda: bytearray(1 << 40))); main(['huge'])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert shown.stdout == "True\n"
    assert (shown.returncode, shown.stderr.count("\n")) == (2, 1)
    assert shown.stderr.startswith("assay: this needs more memory than is free")


def test_labels_written_with_tabs_are_read_with_tabs(crowd):
    folder, *_ = crowd
    run(folder / "labels.csv", "--method", "wawa", "--out", folder / "out.tsv", "--workers", folder / "workers.csv")
    shown = run(folder / "labels.csv", "--method", "wawa", "--json", "--truth", folder / "out.tsv")
    assert json.loads(shown.stdout)["accuracy"] == 1


def test_labels_can_be_written_to_a_pipe(crowd):
    given = [str(crowd[0] / "labels.csv"), "--method", "wawa", "--json", "--out", "/dev/stdout"]
    program = "import sys; from service.cli import main; main(['aggregate', *sys.argv[1:]])"
    shown = subprocess.run([sys.executable, "-c", program, *given], capture_output=True, text=True, check=False)
    assert (shown.returncode, shown.stderr) == (0, "")
    header, *rows, summary = shown.stdout.splitlines()
    assert (header.split(",")[:2], len(rows), json.loads(summary)["items"]) == (['"task"', '"label"'], 80, 80)


def test_of_a_task_with_several_true_labels_each_is_right(tmp_path):
    (tmp_path / "labels.csv").write_text("task,worker,label\na,v,1\na,w,1\nb,v,2\nb,w,2\nc,v,3\nc,w,3\n")
    (tmp_path / "truth.csv").write_text("task,label\na,0\na,1\nb,1\nb,3\nc,3\n")
    shown = run(tmp_path / "labels.csv", "--method", "majority", "--truth", tmp_path / "truth.csv", "--json")
    assert json.loads(shown.stdout)["accuracy"] == pytest.approx(2 / 3, abs=1e-6)


def test_a_number_is_the_same_number_however_pandas_wrote_it(crowd):
    folder, table, truth = crowd
    rows = {"task": table.item, "worker": table.worker, "label": table.label}
    pa_csv.write_csv(pa.table({name: values.astype(int) for name, values in rows.items()}), folder / "whole.csv")
    (folder / "gaps.csv").write_text("task,label\n" + "".join(f"{item}.0,{truth[item]}.0\n" for item in range(80)))
    shown = run(folder / "whole.csv", "--method", "wawa", "--truth", folder / "gaps.csv", "--json")
    assert json.loads(shown.stdout)["accuracy"] > 0.8
    assert shown.stderr == "assay: scored on 80 tasks\n"


@pytest.mark.parametrize("name", ["out.csv", "out.parquet", "out.csv.gz"])
def test_where_writing_fails_what_was_there_stays_and_nothing_is_left_beside_it(crowd, name, monkeypatch):
    folder, *_ = crowd
    run(folder / "labels.csv", "--method", "wawa", "--out", folder / name)
    before, files = (folder / name).read_bytes(), {*folder.iterdir()}
    if name.endswith("gz"):
        gzip.decompress(before)

    def full(_, place, *__):
        place.write(b"half") if hasattr(place, "write") else Path(place).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pa_csv, "write_csv", full)
    monkeypatch.setattr(parquet, "write_table", full)
    with pytest.raises(PlainError, match="cannot be written: No space left on device"):
        run(folder / "labels.csv", "--method", "majority", "--out", folder / name)
    assert ((folder / name).read_bytes(), {*folder.iterdir()}) == (before, files)


def test_workers_over_many_labels_are_described_by_the_diagonals_of_their_matrices(tmp_path):
    rows = "".join(f"{item},{worker},{item}\n" for item in range(21) for worker in "vw")
    (tmp_path / "labels.csv").write_text(f"task,worker,label\n{rows}")
    shown = run(tmp_path / "labels.csv", "--method", "wawa", "--json", "--workers", tmp_path / "workers.csv")
    assert shown.stderr == "assay: of workers' confusion only the diagonal is written: 21 label values are over 20\n"
    first, *_ = csv.DictReader((tmp_path / "workers.csv").read_text().splitlines())
    assert [*first][-22:] == ["spammer_score", *(f"{label} answered {label}" for label in range(21))]
    assert float(first["3 answered 3"]) == pytest.approx(5 / 6)  # one answer, and four of five expected
    assert float(first["quality"]) > 0.5


def test_a_terminal_is_shown_how_far_it_is(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(progress, "_EVERY", 0.0)
    table, _ = simulate(n_items=60, n_workers=8)
    screen, nowhere = Terminal(), io.StringIO()
    for out in (screen, nowhere):
        line = progress.Line(out)
        line.doing("dawid_skene on 300 answers")
        with watching.watched(line.step):
            result = aggregate(table, "dawid_skene")
        line.end()
    assert f"{result.n_iter + 1} steps, bound {result.objective[-1]:,.2f}, change " in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[K"), "the line is gone when the work is done"
    assert nowhere.getvalue() == ""


def test_help_names_every_method():
    assert _METHODS.split(", ") == list(METHODS)
