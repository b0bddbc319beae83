"""Say how well the constants that were chosen by looking at recorded sets do on sets that were not looked at.

``ASSAY_DATASETS=/path/to/sets python -m benchmarks.left_out``

Each set is left out in turn. On the others, auto's pool and how the odds of its majority go with the answers are chosen
by mean accuracy, among those with which none of them lies more than a point below majority vote, and then what shares
weigh in confidence by mean calibration error; with these the set that was left out is scored.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from aggregation import aggregate, metrics
from aggregation.arrays import Floats
from aggregation.auto import POOL
from aggregation.calibration import of_labels
from aggregation.gold import Clamp
from aggregation.majority_odds import EVEN, hear_majority, odds_of_majority
from aggregation.result import most_probable
from aggregation.tempering import SHARES, tempered
from benchmarks.accuracy import Recorded, measure, read_all

POOLS = ((1,), (2,), (3,), (1, 2), (1, 3), (1, 2, 4))
# With the first the majority is heard by the least odds everywhere, with the last by the most.
EVENS = (0.0, 25.0, 35.0, 50.0, 70.0, 100.0, 1e9)
WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4)
CHOSEN = (POOLS.index(POOL), EVENS.index(EVEN), WEIGHTS.index(SHARES))


def score(recorded: Recorded) -> tuple[Floats, Floats]:
    """Give accuracy in percent by pool and odds, and calibration error by pool, odds and weight of the shares."""
    table, known = recorded.table, np.flatnonzero(recorded.truth >= 0)
    truth = recorded.truth[known]
    clamp = Clamp.from_gold(None, table.n_items, table.n_labels)
    accuracy = np.empty((len(POOLS), len(EVENS)))
    error = np.empty((len(POOLS), len(EVENS), len(WEIGHTS)))
    for p, pool in enumerate(POOLS):
        result = aggregate(table, "auto", pool=pool)
        for o, even in enumerate(EVENS):
            change = odds_of_majority(table, even) / result.params["majority_odds"]
            posterior, _ = hear_majority(table, clamp, result.posterior, change)
            heard = replace(result, posterior=posterior, labels=most_probable(posterior, result.prevalence))
            right = metrics.hits(posterior[known], truth)
            accuracy[p, o] = 100 * right.mean()
            for s, weight in enumerate(WEIGHTS):
                probabilities, _ = tempered(table, clamp, posterior, weight=weight)
                confidence = of_labels(probabilities, heard.labels)[known]
                error[p, o, s] = metrics.expected_calibration_error(confidence, right)
    return accuracy, error


def choose(accuracy: Floats, majority: Floats, error: Floats) -> tuple[int, int, int]:
    """Choose pool and odds by mean accuracy over sets, (n_sets, pool, odds), then the weight by mean error."""
    floor = (accuracy - majority[:, None, None]).min(axis=0) >= -1.0
    allowed = np.where(floor, accuracy.mean(axis=0), -np.inf if floor.any() else accuracy.mean(axis=0))
    p, o = np.unravel_index(allowed.argmax(), allowed.shape)
    return int(p), int(o), int(error.mean(axis=0)[p, o].argmin())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, default=os.environ.get("ASSAY_DATASETS"), help="by default ASSAY_DATASETS")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    sets = read_all(options.sets)
    if len(sets) < 2:
        raise SystemExit("to leave one set out there must be at least two")
    scores = []
    for name, recorded in sets.items():
        print(f"{name}   ", end="\r", file=sys.stderr)
        scores.append(score(recorded))
    accuracy, error = (np.stack(part) for part in zip(*scores, strict=True))
    majority = np.array([measure(recorded, "majority", 0, 1)["accuracy"] for recorded in sets.values()])
    rows = []
    for i, name in enumerate(sets):
        others = np.arange(len(sets)) != i
        p, o, s = choose(accuracy[others], majority[others], error[others])
        figures = {"accuracy": accuracy[i, p, o], "ece": error[i, p, o, s]}
        rows.append({"set": name, "pool": POOLS[p], "even": EVENS[o], "shares": WEIGHTS[s], **figures})
    chosen = CHOSEN[0], CHOSEN[1]
    report = {
        "sets": rows,
        "left_out": {figure: float(np.mean([row[figure] for row in rows])) for figure in ("accuracy", "ece")},
        "chosen": {"accuracy": accuracy[:, *chosen].mean(), "ece": error[:, *CHOSEN].mean()},
        "grid": [
            {"pool": POOLS[p], "even": EVENS[o], "accuracy": accuracy[:, p, o].mean(), "ece": error[:, p, o, 2].mean()}
            for p, o in itertools.product(range(len(POOLS)), range(len(EVENS)))
        ],
    }
    if options.json:
        print(json.dumps(report, default=float))
        return
    for row in rows:
        print(
            f"{row['set']:16} {row['pool']!s:10} even {row['even']:5.0f} shares {row['shares']:3} "
            f"{row['accuracy']:6.1f} {row['ece']:6.3f}"
        )
    for name in ("left_out", "chosen"):
        print(f"{name:40} {report[name]['accuracy']:6.2f} {report[name]['ece']:6.4f}")


if __name__ == "__main__":
    main()
