"""Measure accuracy and calibration of models on recorded sets, beside crowd-kit's.

``ASSAY_DATASETS=/path/to/sets python -m benchmarks.accuracy --json``

Each set is a folder with labels.csv (task, worker, label) and truth.csv (task, label). Truth is read only when a
result is final. Where labels tie, each counts its share. With ``--gold N``, N items drawn at random are told as gold,
and are not scored; the figures are then means over ``--draws`` draws. ``--made-up N`` measures on N crowds of each
kind of `benchmarks.crowds` instead, and gives their means; ``--thinned N`` does on N smaller versions of each set, in
each way of `benchmarks.thinned`. ``--markdown`` prints the tables of docs/accuracy.md.

Every row ends with the mean over sets and, for accuracy, with how far the worst set or crowd is from majority vote.
What lies more than a point below it is listed with the standard error of that over its items.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aggregation import LabelTable, aggregate, metrics
from benchmarks import thinned
from benchmarks.crowds import KINDS, crowd

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

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
MUCH = 1.0  # points below majority vote that are worth a line
FEWEST = 20  # items whose truth is known, for a thinned set to say anything
CROWDKIT = [f"crowdkit:{name}" for name in ("MajorityVote", "Wawa", "DawidSkene", "OneCoinDawidSkene", "GLAD", "MACE")]


@dataclass(frozen=True, eq=False)
class Recorded:
    """A set of recorded answers and the truth of some of its items, -1 where it is unknown."""

    table: LabelTable
    truth: np.ndarray[Any, Any]
    name: str = ""

    def describe(self) -> str:
        """Say how much there is of it."""
        table, scored = self.table, np.count_nonzero(self.truth >= 0)
        items, workers = np.count_nonzero(table.answers_per_item), np.unique(table.worker).size
        return (
            f"{self.name}: {scored:,} items scored of {items:,}, {np.unique(table.label).size} labels, "
            f"{table.n_answers / items:.1f} answers an item and {table.n_answers / workers:.0f} a worker"
        )


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
    return Recorded(LabelTable.from_arrays(item, worker, label, n_labels=n_labels), truth, folder.name)


def read_all(sets: str | Path | None, only: Sequence[str] | None = None) -> dict[str, Recorded]:
    """Read all sets of a folder, or those that are named."""
    if sets is None:
        raise SystemExit("name the folder of recorded sets in ASSAY_DATASETS or by --sets")
    folders = sorted(file.parent for file in Path(sets).glob("*/labels.csv") if (file.parent / "truth.csv").exists())
    recorded = {folder.name: read(folder) for folder in folders if not only or folder.name in only}
    if not recorded:
        raise SystemExit(f"no folder in {sets} has a labels.csv and a truth.csv")
    return recorded


def thin(sets: Iterable[Recorded], kind: str, count: int) -> Iterator[Recorded]:
    """Yield smaller versions of all sets, but for those that are left with hardly any truth."""
    for recorded, seed in itertools.product(sets, range(count)):
        fewer = Recorded(
            *thinned.thinned(recorded.table, recorded.truth, kind, seed), f"{recorded.name}, {kind}, {seed}"
        )
        if (fewer.truth >= 0).sum() >= FEWEST:
            yield fewer


def measure(recorded: Recorded, method: str, n_gold: int, draws: int) -> dict[str, float]:
    """Score a method on one set: accuracy and calibration error in percent and share, log loss, Brier, seconds.

    ``above`` is by how many points it is more accurate than majority vote, and ``error`` the standard error of that.
    """
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
        above = right - metrics.hits(aggregate(table, "majority").posterior[scored], truth[scored])
        figures.append(
            {
                "accuracy": 100 * float(right.mean()),
                "above": 100 * float(above.mean()),
                "error": 100 * float(above.std() / np.sqrt(above.size)),
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
    parser.add_argument("--made-up", type=int, default=0, metavar="N", help="crowds of each kind, instead of sets")
    parser.add_argument("--thinned", type=int, default=0, metavar="N", help="smaller versions of each set")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    if options.made_up:
        groups = {
            kind: [Recorded(*crowd(kind, seed), f"{kind}, {seed}") for seed in range(options.made_up)] for kind in KINDS
        }
    else:
        sets = read_all(options.sets, options.only)
        groups = {name: [answers] for name, answers in sets.items()}
        if options.thinned:
            groups = {kind: [*thin(sets.values(), kind, options.thinned)] for kind in thinned.KINDS}
    warnings.simplefilter("ignore")
    report: dict[str, dict[str, dict[str, float]]] = {}
    below: dict[str, list[str]] = {}
    for model in options.models:
        report[model], above, below[model] = {}, [], []
        for name, group in groups.items():
            print(f"{model} {name}   ", end="\r", file=sys.stderr)
            figures = [measure(answers, model, options.gold, options.draws) for answers in group]
            above += [figure["above"] for figure in figures]
            below[model] += [
                f"{figure['above']:+.1f} ({figure['error']:.1f}) {answers.describe()}"
                for answers, figure in zip(group, figures, strict=True)
                if figure["above"] < -MUCH
            ]
            report[model][name] = mean(figures)
        report[model]["mean"] = mean(list(report[model].values())) | {"against_majority": min(above)}
    if options.json:
        asked = {"gold": options.gold, "made_up": options.made_up, "thinned": options.thinned}
        print(json.dumps({**asked, "models": report, "below": below}))
        return
    show(report, list(groups), markdown=options.markdown)
    for model, lines in below.items():
        n_sets = sum(len(group) for group in groups.values())
        print(f"\n{model} is more than a point below majority vote on {len(lines)} of {n_sets} (standard error)")
        print("\n".join(lines))


def mean(figures: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([figure[name] for figure in figures])) for name in figures[0]}


def show(report: dict[str, dict[str, dict[str, float]]], names: list[str], *, markdown: bool) -> None:
    """Print a table of models by sets for accuracy and for calibration error, then what else was measured."""
    accuracy, error = (
        {model: [format(row[name][figure], form) for name in [*names, "mean"]] for model, row in report.items()}
        for figure, form in (("accuracy", "8.1f"), ("ece", "8.3f"))
    )
    for model, row in report.items():
        accuracy[model].append(format(row["mean"]["against_majority"], "+8.1f"))
    _print_table("accuracy", [*names, "mean", "worst"], accuracy, markdown=markdown)
    _print_table("ece", [*names, "mean"], error, markdown=markdown)
    others = ["nll", "brier", "raw_ece", "seconds"]
    _print_table(
        "mean of",
        others,
        {model: [format(row["mean"][name], "8.3f") for name in others] for model, row in report.items()},
        markdown=markdown,
    )


def _print_table(title: str, columns: list[str], rows: dict[str, list[str]], *, markdown: bool) -> None:
    if markdown:
        print(f"\n| {title} | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
        for model, cells in rows.items():
            print(f"| {model} | " + " | ".join(cell.strip() for cell in cells) + " |")
        return
    print(f"\n{title:28}" + "".join(f"{name[:7]:>8}" for name in columns))
    for model, cells in rows.items():
        print(f"{model:28}" + "".join(cells))


if __name__ == "__main__":
    main()
