"""Time every method, and crowd-kit's where it has one of the kind, on the same simulated answers.

``python -m benchmarks.methods --answers 20000 --labels 5 --json``

Each runs as it comes, with its own tolerance and its own most steps: this is what users wait for, where `benchmarks.em`
compares two engines at one likelihood. Timed is the way from arrays (ours) or a data frame (crowd-kit's) to
probabilities, confidence not included; ours ``--repeat`` times, of which the median counts, and crowd-kit's once.
``cpu_seconds`` are those of all cores together. Answers are those of `benchmarks.em`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aggregation import METHODS, LabelTable, aggregate
from benchmarks import em

if TYPE_CHECKING:
    from collections.abc import Callable

PEERS = {
    "majority": "MajorityVote",
    "wawa": "Wawa",
    "maximum_likelihood": "DawidSkene",
    "one_coin": "OneCoinDawidSkene",
    "glad": "GLAD",
    "mace": "MACE",
}


def timed(run: Callable[[], Any], repeat: int) -> tuple[Any, dict[str, float]]:
    """Run several times; give the last result, and the median seconds on the wall and of all cores."""
    wall, cpu = [], []
    for _ in range(repeat):
        started, spent = time.perf_counter(), time.process_time()
        result = run()
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - spent)
    return result, {"seconds": statistics.median(wall), "cpu_seconds": statistics.median(cpu)}


def measure(folder: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    import crowdkit.aggregation  # noqa: PLC0415 - only this benchmark needs it, and it takes seconds
    import pandas as pd  # noqa: PLC0415

    item, worker, label = (np.load(folder / f"{name}.npy") for name in em.COLUMNS)
    frame = pd.DataFrame({"task": item, "worker": worker, "label": label})
    reports = []
    for method in options.methods:

        def ours(method: str = method) -> Any:
            return aggregate(LabelTable.from_arrays(item, worker, label, options.labels), method)

        ours()  # takes its kernels from their cache
        result, report = timed(ours, options.repeat)
        told: dict[str, Any] = {"method": method, **report, "steps": result.n_iter, "converged": result.converged}
        if method in PEERS and not options.alone:
            model = getattr(crowdkit.aggregation, PEERS[method])()
            _, peer = timed(lambda model=model: model.fit_predict_proba(frame), 1)
            told |= {f"crowdkit_{name}": value for name, value in peer.items()}
            told["ratio"] = peer["seconds"] / report["seconds"]
        reports.append(told)
        if not options.json:
            print(
                "  ".join(
                    f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
                    for name, value in told.items()
                )
            )
    return reports


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=20_000)
    parser.add_argument("--labels", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--alone", action="store_true", help="run Assay only")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.answers < em.LEAST_ANSWERS or options.answers % em.PER_ITEM:
        parser.error(f"--answers must be a multiple of {em.PER_ITEM}, and at least {em.LEAST_ANSWERS}")
    warnings.simplefilter("ignore")
    given = ["--answers", str(options.answers), "--labels", str(options.labels), "--seed", str(options.seed)]
    with tempfile.TemporaryDirectory(prefix="assay-methods-") as name:
        em.simulate(Path(name), em.arguments().parse_args(given))
        reports = measure(Path(name), options)
    if options.json:
        print(json.dumps(reports))


if __name__ == "__main__":
    main()
