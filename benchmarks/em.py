"""Time Dawid and Skene's model against crowd-kit's, on the same simulated answers, to the same log likelihood.

``python -m benchmarks.em --answers 1000000 --labels 5 --json``

Each runs in a process of its own, and both climb from majority vote without a prior. crowd-kit runs as it comes, with
at most 100 steps, until its loss grows by less than ``--tolerance``, 1e-5 by default. That loss counts the prior once
for each answer and is no likelihood, so the log likelihood of what it ends with is computed from its parameters, by the
function that also judges ours. Ours runs until that is reached.

What is timed begins with the arrays (ours) or the data frame (crowd-kit's) in memory and ends with the posterior, the
labels and the parameters. ``imports`` are timed apart: for ours with what the kernels take to load from their cache,
which ``python -m aggregation.warm`` fills. ``cpu_seconds`` are those of all cores together, to compare on a machine
that has other work too. Ours takes so little that it is timed ``--repeat`` times, and the median counts;
``first_seconds`` is the first time, in memory that the process has yet to get from the system. Memory is the peak of
the whole process, with everything; what is in it before the answers are loaded is ``base_mb``.

Of eleven recorded sets the logarithms of how much each worker did deviate by 0.7 to 1.7, 1.3 in the middle: so do the
simulated ones. ``--spread 0`` lets all work alike.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

PER_ITEM = 5
PART = 1 << 16
LEAST = 1e-10
LEAST_ANSWERS = 50
COLUMNS = ("item", "worker", "label")


def simulate(folder: Path, options: argparse.Namespace) -> int:
    """
    Write item, worker and label arrays, and give the number of workers.

    Each item has five answers by different workers. How much workers do is drawn log-normally, each is right with a
    chance of their own, and errors fall evenly on the other labels.
    """
    rng = np.random.default_rng(options.seed)
    n_items, labels = options.answers // PER_ITEM, options.labels
    workers: int = options.workers or max(options.answers // 500, 10)
    until = np.cumsum(np.exp(rng.normal(0, options.spread, size=workers)))
    worker = np.searchsorted(until, rng.random((n_items, PER_ITEM)) * until[-1]).astype(np.int32)
    while True:  # who was drawn twice for an item is drawn anew
        ordered = np.sort(worker, axis=1)
        again = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))
        if not again.size:
            break
        worker[again] = np.searchsorted(until, rng.random((again.size, PER_ITEM)) * until[-1])
    worker = worker.ravel()
    truth = np.repeat(rng.integers(labels, size=n_items, dtype=np.int16), PER_ITEM)
    right = rng.random(worker.size) < rng.uniform(options.low, options.high, size=workers)[worker]
    label = np.where(right, truth, (truth + rng.integers(1, labels, size=worker.size, dtype=np.int16)) % labels)
    item = np.repeat(np.arange(n_items, dtype=np.int32), PER_ITEM)
    order = rng.permutation(worker.size) if options.shuffle else slice(None)
    for name, column in zip(COLUMNS, (item, worker, label.astype(np.int16)), strict=True):
        np.save(folder / f"{name}.npy", column[order])
    return workers


def log_likelihood(folder: Path, engine: str, labels: int) -> float:
    """Evaluate what an engine ended with, by one function for both: in logarithms, apart from what either computes."""
    item, worker, label = (np.load(folder / f"{name}.npy") for name in COLUMNS)
    confusion, prevalence = np.load(folder / f"{engine}-confusion.npy"), np.load(folder / f"{engine}-prevalence.npy")
    order = np.argsort(item, kind="stable")
    log_cells = np.log(np.maximum(confusion, LEAST)).transpose(0, 2, 1)
    total = 0.0
    for first in range(0, order.size, PART * PER_ITEM):
        some = order[first : first + PART * PER_ITEM]  # all answers to some items: there are PER_ITEM to each
        joint = log_cells[worker[some], label[some]].reshape(-1, PER_ITEM, labels).sum(axis=1)
        joint += np.log(np.maximum(prevalence, LEAST))
        top = joint.max(axis=1)
        total += float((top + np.log(np.exp(joint - top[:, None]).sum(axis=1))).sum())
    return total


def run_assay(folder: Path, labels: int, target: float | None, max_iter: int, repeat: int) -> dict[str, Any]:
    """Climb; with a target, find how many steps reach it, and otherwise take ``max_iter`` steps against the clock."""
    began = time.perf_counter()
    from aggregation import LabelTable
    from aggregation.dawid_skene import maximum_likelihood
    from aggregation.gold import Clamp
    from aggregation.table import LARGE

    def infer(arrays: list[Any]) -> tuple[float, Any]:
        table = LabelTable.from_arrays(*arrays, labels)
        arrays.clear()  # as the table is all that is needed from here on
        tabled = time.perf_counter()
        clamp = Clamp.from_gold(None, table.n_items, labels)
        return tabled, maximum_likelihood(table, clamp, max_iter=max_iter, tol=0.0, accelerate=True)

    many = np.arange(LARGE)[::-1]
    infer([many // 5, many % 10, many // 5 % labels])  # takes the kernels from their cache, for tables of either size
    report: dict[str, Any] = {"imports": time.perf_counter() - began, "base_mb": peak_mb()}
    del many
    runs, result = [], None
    for _ in range(repeat):
        result = None  # the one before is not held beside the next
        arrays = [np.load(folder / f"{name}.npy") for name in COLUMNS]
        started, cpu = time.perf_counter(), time.process_time()
        tabled, result = infer(arrays)
        runs.append((time.perf_counter() - started, time.process_time() - cpu, tabled - started))
    report["first_seconds"] = runs[0][0]
    report["seconds"], report["cpu_seconds"], report["table_seconds"] = sorted(runs)[len(runs) // 2]
    report["n_iter"] = result.n_iter
    if target is not None:
        reached = np.flatnonzero(result.objective >= target)
        report["steps"] = int(reached[0]) + 1 if reached.size else None
    report["mb"] = peak_mb()
    np.save(folder / "assay-confusion.npy", result.confusion)
    np.save(folder / "assay-prevalence.npy", result.prevalence)
    return report


def run_crowdkit(folder: Path, labels: int, tolerance: float) -> dict[str, Any]:
    """Run crowd-kit's Dawid-Skene and keep its parameters."""
    began = time.perf_counter()
    import pandas as pd
    from crowdkit.aggregation import DawidSkene

    report: dict[str, Any] = {"imports": time.perf_counter() - began, "base_mb": peak_mb()}
    columns = {"task": "item", "worker": "worker", "label": "label"}
    frame = pd.DataFrame({column: np.load(folder / f"{name}.npy") for column, name in columns.items()}, copy=False)
    started, cpu = time.perf_counter(), time.process_time()
    model = DawidSkene(tol=tolerance).fit(frame)
    report["seconds"], report["cpu_seconds"] = time.perf_counter() - started, time.process_time() - cpu
    report["n_iter"] = len(model.loss_history_)
    report["mb"] = peak_mb()
    errors = model.errors_
    confusion = np.full((int(frame["worker"].max()) + 1, labels, labels), 0.0)
    workers = errors.index.get_level_values("worker").to_numpy(dtype=int)
    answered = errors.index.get_level_values("label").to_numpy(dtype=int)
    confusion[workers, :, answered] = errors[list(range(labels))].to_numpy()
    np.save(folder / "crowdkit-confusion.npy", confusion)
    np.save(folder / "crowdkit-prevalence.npy", model.priors_.sort_index().to_numpy())
    return report


def peak_mb() -> float:
    """Read the peak of resident memory; what getrusage says of a child includes its parent's on Linux."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def child(*arguments: str) -> dict[str, Any]:
    """Run one engine in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.em", "--child", *arguments]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # its errors are ours to show
    report: dict[str, Any] = json.loads(output.splitlines()[-1])
    return report


def compare(options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="assay-em-") as name:
        folder = Path(name)
        workers = simulate(folder, options)
        base = ["--folder", name, "--labels", str(options.labels)]
        report: dict[str, Any] = {"answers": options.answers, "labels": options.labels, "workers": workers}
        repeat = ["--repeat", str(options.repeat)]
        if options.alone:
            ours = child("assay", *base, *repeat, "--steps", str(options.alone))
            return {**report, **{f"assay_{name}": value for name, value in ours.items()}}
        theirs = child("crowdkit", *base, "--tolerance", str(options.tolerance))
        target = log_likelihood(folder, "crowdkit", options.labels)
        scout = child("assay", *base, "--repeat", "1", "--target", str(target), "--steps", str(options.most_steps))
        if scout["steps"] is None:
            raise SystemExit(f"crowd-kit's log likelihood of {target} was not reached in {options.most_steps} steps")
        ours = child("assay", *base, *repeat, "--steps", str(scout["steps"]))
        return {
            **report,
            "assay_seconds": ours["seconds"],
            "crowdkit_seconds": theirs["seconds"],
            "ratio": theirs["seconds"] / ours["seconds"],
            "assay_mb": ours["mb"],
            "crowdkit_mb": theirs["mb"],
            "assay_base_mb": ours["base_mb"],
            "crowdkit_base_mb": theirs["base_mb"],
            "assay_first_seconds": ours["first_seconds"],
            "assay_cpu_seconds": ours["cpu_seconds"],
            "crowdkit_cpu_seconds": theirs["cpu_seconds"],
            "assay_imports": ours["imports"],
            "crowdkit_imports": theirs["imports"],
            "ratio_with_imports": (theirs["seconds"] + theirs["imports"]) / (ours["seconds"] + ours["imports"]),
            "assay_table_seconds": ours["table_seconds"],
            "assay_steps": scout["steps"],
            "crowdkit_steps": theirs["n_iter"],
            "assay_log_likelihood": log_likelihood(folder, "assay", options.labels),
            "crowdkit_log_likelihood": target,
        }


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=1_000_000)
    parser.add_argument("--labels", type=int, default=5)
    parser.add_argument("--workers", type=int, help="by default one for each 500 answers")
    parser.add_argument("--low", type=float, default=0.5, help="least chance of a worker to be right")
    parser.add_argument("--high", type=float, default=0.95, help="greatest chance of a worker to be right")
    parser.add_argument("--spread", type=float, default=1.3, help="how unevenly workers work, as a log deviation")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shuffle", action="store_true", help="let answers come in any order, not item by item")
    parser.add_argument("--tolerance", type=float, default=1e-5, help="of crowd-kit: where it stops")
    parser.add_argument("--repeat", type=int, default=7, help="how often ours is timed")
    parser.add_argument("--most-steps", type=int, default=200)
    parser.add_argument("--alone", type=int, metavar="STEPS", help="run Assay only, for so many steps")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", choices=["assay", "crowdkit"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--target", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, default=1, help=argparse.SUPPRESS)
    return parser


def main() -> None:
    options = arguments().parse_args()
    if options.answers < LEAST_ANSWERS or options.answers % PER_ITEM:
        raise SystemExit(
            f"--answers must be a multiple of {PER_ITEM}, and at least {LEAST_ANSWERS}, not {options.answers}"
        )
    warnings.simplefilter("ignore")
    if options.child == "crowdkit":
        report = run_crowdkit(options.folder, options.labels, options.tolerance)
    elif options.child == "assay":
        report = run_assay(options.folder, options.labels, options.target, options.steps, options.repeat)
    else:
        report = compare(options)
    if options.json or options.child:
        print(json.dumps(report))
        return
    for name, value in report.items():
        print(f"{name:26}{value:>18,.3f}" if isinstance(value, float) else f"{name:26}{value:>18,}")


if __name__ == "__main__":
    main()
