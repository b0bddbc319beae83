"""Time Dawid and Skene's model against crowd-kit's, on the same simulated answers, to the same log likelihood.

``python -m benchmarks.em --answers 1000000 --labels 5 --json``

Each runs in a process of its own, and both climb from majority vote without a prior. crowd-kit runs with its own
settings; its loss is no likelihood, so the log likelihood of what it ends with is computed from its parameters, by the
function that also judges ours. Ours runs until that is reached. What is timed begins with arrays (ours) or a data frame
(crowd-kit's) in memory and ends with the posterior; imports, compilation and the reading of the answers are left out.
``cpu_seconds`` are those of all cores together, to compare on a machine that has other work too. Memory is the peak of
the whole process, with everything.
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


def simulate(folder: Path, answers: int, labels: int, workers: int, low: float, high: float, seed: int) -> None:
    """Write item, worker and label arrays: each worker is right with a chance of their own, errors fall evenly."""
    rng = np.random.default_rng(seed)
    n_items = max(answers // PER_ITEM, 1)
    truth = rng.integers(labels, size=n_items, dtype=np.int16)
    item = np.repeat(np.arange(n_items, dtype=np.int32), PER_ITEM)
    # Five draws without repeats: a start and five steps that add up to less than once around.
    first = rng.integers(workers, size=n_items)
    stride = 1 + rng.integers(max((workers - 1) // PER_ITEM, 1), size=n_items)
    worker = ((first[:, None] + stride[:, None] * np.arange(PER_ITEM)) % workers).ravel().astype(np.int32)
    right = rng.random(item.size) < rng.uniform(low, high, size=workers)[worker]
    wrong = (truth[item] + rng.integers(1, labels, size=item.size, dtype=np.int16)) % labels
    np.save(folder / "item.npy", item)
    np.save(folder / "worker.npy", worker)
    np.save(folder / "label.npy", np.where(right, truth[item], wrong).astype(np.int16))


def log_likelihood(folder: Path, engine: str, labels: int) -> float:
    """Evaluate what an engine ended with, by one function for both."""
    from aggregation import LabelTable
    from aggregation.kernels import FLOOR, expect_for

    table = LabelTable.from_arrays(*(np.load(folder / f"{name}.npy") for name in ("item", "worker", "label")), labels)
    confusion, prevalence = np.load(folder / f"{engine}-confusion.npy"), np.load(folder / f"{engine}-prevalence.npy")
    value, _ = expect_for(labels)(
        0,
        table.n_items,
        table.offsets,
        table.worker,
        table.label,
        np.full(table.n_items, -1, dtype=np.int32),
        np.zeros((0, labels), dtype=bool),
        np.log(np.maximum(prevalence, FLOOR)),
        np.ascontiguousarray(np.log(np.maximum(confusion, FLOOR)).transpose(0, 2, 1)),
        np.zeros((table.n_items, labels)),
        np.zeros((table.n_workers, labels, labels)),
        np.zeros(labels),
    )
    return value


def run_assay(folder: Path, labels: int, target: float | None, max_iter: int) -> dict[str, Any]:
    """Climb; with a target, find how many steps reach it, and otherwise take ``max_iter`` steps against the clock."""
    from aggregation import LabelTable
    from aggregation.dawid_skene import maximum_likelihood
    from aggregation.gold import Clamp

    arrays = [np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("item", "worker", "label")]
    small = LabelTable.from_arrays([0, 1], [0, 1], [0, 1], labels)
    maximum_likelihood(small, Clamp.from_gold(None, 2, labels), max_iter=3)  # takes the kernels from the cache
    started, cpu = time.perf_counter(), time.process_time()
    table = LabelTable.from_arrays(*arrays, labels)
    tabled = time.perf_counter()
    result = maximum_likelihood(
        table, Clamp.from_gold(None, table.n_items, labels), max_iter=max_iter, tol=0.0, accelerate=True
    )
    report: dict[str, Any] = {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu,
        "table_seconds": tabled - started,
        "n_iter": result.n_iter,
    }
    if target is not None:
        reached = np.flatnonzero(result.objective >= target)
        report["steps"] = int(reached[0]) + 1 if reached.size else None
    assert result.confusion is not None
    np.save(folder / "assay-confusion.npy", result.confusion)
    np.save(folder / "assay-prevalence.npy", result.prevalence)
    return report


def run_crowdkit(folder: Path, labels: int) -> dict[str, Any]:
    """Run crowd-kit's Dawid-Skene as it comes and keep its parameters."""
    import pandas as pd
    from crowdkit.aggregation import DawidSkene

    columns = {"task": "item", "worker": "worker", "label": "label"}
    frame = pd.DataFrame({column: np.load(folder / f"{name}.npy") for column, name in columns.items()})
    started, cpu = time.perf_counter(), time.process_time()
    model = DawidSkene().fit(frame)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    errors = model.errors_
    confusion = np.full((int(frame["worker"].max()) + 1, labels, labels), 0.0)
    workers = errors.index.get_level_values("worker").to_numpy(dtype=int)
    answered = errors.index.get_level_values("label").to_numpy(dtype=int)
    confusion[workers, :, answered] = errors[list(range(labels))].to_numpy()
    np.save(folder / "crowdkit-confusion.npy", confusion)
    np.save(folder / "crowdkit-prevalence.npy", model.priors_.sort_index().to_numpy())
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "n_iter": len(model.loss_history_)}


def child(*arguments: str) -> dict[str, Any]:
    """Run one engine in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.em", "--child", *arguments]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # its errors are ours to show
    report: dict[str, Any] = json.loads(output.splitlines()[-1])
    return report


def compare(options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="assay-em-") as name:
        folder = Path(name)
        workers = options.workers or max(options.answers // 500, 10)
        simulate(folder, options.answers, options.labels, workers, options.low, options.high, options.seed)
        base = ["--folder", name, "--labels", str(options.labels)]
        report: dict[str, Any] = {"answers": options.answers, "labels": options.labels, "workers": workers}
        if options.alone:
            ours = child("assay", *base, "--steps", str(options.alone))
            return {**report, "assay_seconds": ours["seconds"], "assay_mb": ours["mb"], **ours}
        theirs = child("crowdkit", *base)
        target = log_likelihood(folder, "crowdkit", options.labels)
        scout = child("assay", *base, "--target", str(target), "--steps", str(options.most_steps))
        if scout["steps"] is None:
            raise SystemExit(f"crowd-kit's log likelihood of {target} was not reached in {options.most_steps} steps")
        ours = child("assay", *base, "--steps", str(scout["steps"]))
        return {
            **report,
            "assay_seconds": ours["seconds"],
            "crowdkit_seconds": theirs["seconds"],
            "ratio": theirs["seconds"] / ours["seconds"],
            "assay_cpu_seconds": ours["cpu_seconds"],
            "crowdkit_cpu_seconds": theirs["cpu_seconds"],
            "assay_mb": ours["mb"],
            "crowdkit_mb": theirs["mb"],
            "assay_table_seconds": ours["table_seconds"],
            "assay_steps": scout["steps"],
            "crowdkit_steps": theirs["n_iter"],
            "assay_log_likelihood": log_likelihood(folder, "assay", options.labels),
            "crowdkit_log_likelihood": target,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=1_000_000)
    parser.add_argument("--labels", type=int, default=5)
    parser.add_argument("--workers", type=int, help="by default one for each 500 answers")
    parser.add_argument("--low", type=float, default=0.5, help="least chance of a worker to be right")
    parser.add_argument("--high", type=float, default=0.95, help="greatest chance of a worker to be right")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most-steps", type=int, default=200)
    parser.add_argument("--alone", type=int, metavar="STEPS", help="run Assay only, for so many steps")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", choices=["assay", "crowdkit"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--target", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.child == "crowdkit":
        report = run_crowdkit(options.folder, options.labels)
    elif options.child == "assay":
        report = run_assay(options.folder, options.labels, options.target, options.steps)
    else:
        report = compare(options)
    if options.child:
        report["mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if options.json or options.child:
        print(json.dumps(report))
        return
    for name, value in report.items():
        print(f"{name:26}{value:>18,.3f}" if isinstance(value, float) else f"{name:26}{value:>18,}")


if __name__ == "__main__":
    main()
