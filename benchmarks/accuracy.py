"""Measure accuracy and calibration of models on recorded sets, beside crowd-kit's.

``ASSAY_DATASETS=/path/to/sets python -m benchmarks.accuracy --json``

Each set is a folder with labels.csv (task, worker, label) and truth.csv (task, label). Truth is read only when a
result is final. Where labels tie, each counts its share. With ``--gold N``, N items drawn at random are told as gold,
and are not scored; the figures are then means over ``--draws`` draws.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aggregation import LabelTable, aggregate, metrics

MODELS = [
    "majority",
    "wawa",
    "maximum_likelihood",
    "dawid_skene",
    "one_coin",
    "hierarchical",
    "bcc",
    "ebcc",
    "glad",
    "mace",
    "auto",
]
CROWDKIT = [f"crowdkit:{name}" for name in ("MajorityVote", "Wawa", "DawidSkene", "OneCoinDawidSkene", "GLAD", "MACE")]


@dataclass(frozen=True, eq=False)
class Recorded:
    """A set of recorded answers and the truth of some of its items, -1 where it is unknown."""

    table: LabelTable
    truth: np.ndarray[Any, Any]


def read(folder: Path) -> Recorded:
    with (folder / "labels.csv").open(newline="") as file:
        rows = [(row["task"], row["worker"], int(row["label"])) for row in csv.DictReader(file)]
    with (folder / "truth.csv").open(newline="") as file:
        known = {row["task"]: int(row["label"]) for row in csv.DictReader(file)}
    tasks = {task: number for number, task in enumerate(dict.fromkeys(row[0] for row in rows))}
    workers = {worker: number for number, worker in enumerate(dict.fromkeys(row[1] for row in rows))}
    arrays = zip(*((tasks[task], workers[worker], label) for task, worker, label in rows), strict=True)
    item, worker, label = (np.array(array) for array in arrays)
    n_labels = max(int(label.max()), *known.values()) + 1
    truth = np.array([known.get(task, -1) for task in tasks])
    return Recorded(LabelTable.from_arrays(item, worker, label, n_labels=n_labels), truth)


def measure(recorded: Recorded, method: str, n_gold: int, draws: int) -> dict[str, float]:
    """Score a method on one set: accuracy and calibration error in percent and share, log loss, Brier, seconds."""
    table, truth = recorded.table, recorded.truth
    known = np.flatnonzero(truth >= 0)
    figures = []
    for draw in range(draws if n_gold else 1):
        chosen = np.random.default_rng(draw).choice(known, min(n_gold, known.size // 2), replace=False)
        gold = np.full(truth.size, -1)
        gold[chosen] = truth[chosen]
        started = time.perf_counter()
        result = aggregate(table, method, gold=gold if n_gold else None)
        seconds = time.perf_counter() - started
        scored = np.setdiff1d(known, chosen)
        right = metrics.hits(result.posterior[scored], truth[scored])
        figures.append(
            {
                "accuracy": 100 * float(right.mean()),
                "ece": metrics.expected_calibration_error(result.confidence[scored], right),
                "raw_ece": metrics.expected_calibration_error(result.posterior[scored].max(axis=1), right),
                "nll": metrics.log_loss(result.calibrated[scored], truth[scored]),
                "brier": metrics.brier_score(result.calibrated[scored], truth[scored]),
                "seconds": seconds,
            }
        )
    return {name: float(np.mean([figure[name] for figure in figures])) for name in figures[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, default=os.environ.get("ASSAY_DATASETS"), help="by default ASSAY_DATASETS")
    parser.add_argument(
        "--only", nargs="*", help="names of sets; by default every folder with labels.csv and truth.csv"
    )
    parser.add_argument("--models", nargs="*", default=MODELS + CROWDKIT)
    parser.add_argument("--gold", type=int, default=0)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.sets is None:
        raise SystemExit("name the folder of recorded sets in ASSAY_DATASETS or by --sets")
    folders = sorted(
        file.parent for file in Path(options.sets).glob("*/labels.csv") if (file.parent / "truth.csv").exists()
    )
    recorded = {folder.name: read(folder) for folder in folders if not options.only or folder.name in options.only}
    if not recorded:
        raise SystemExit(f"no folder in {options.sets} has a labels.csv and a truth.csv")
    warnings.simplefilter("ignore")
    report: dict[str, dict[str, dict[str, float]]] = {}
    for model in options.models:
        report[model] = {}
        for name, answers in recorded.items():
            print(f"{model} {name}   ", end="\r", file=sys.stderr)
            report[model][name] = measure(answers, model, options.gold, options.draws)
        by_set = list(report[model].values())
        report[model]["mean"] = {figure: float(np.mean([row[figure] for row in by_set])) for figure in by_set[0]}
    if options.json:
        print(json.dumps({"gold": options.gold, "models": report}))
        return
    for figure, form in (("accuracy", "8.1f"), ("ece", "8.3f")):
        print(f"\n{figure:28}" + "".join(f"{name[:7]:>8}" for name in [*recorded, "mean"]))
        for model, rows in report.items():
            print(f"{model:28}" + "".join(format(row[figure], form) for row in rows.values()))


if __name__ == "__main__":
    main()
