"""Compare arms at equal accuracy: cost read off each arm's curve, with intervals by paired bootstrap over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aggregation.arrays import Floats
from benchmarks.gate.job import Outcome
from benchmarks.gate.populations import GOOD

LEVELS = (0.98, 0.99, 0.995)
DRAWS = 1000
# Half an error in a thousand items: the logarithm of no error at all must be finite.
LEAST_ERROR = 5e-4


def cost_at(level: float, cents: Floats, accuracy: Floats) -> float:
    """
    Read off the cost at which an arm reaches an accuracy, in cents per item; NaN where it never does.

    Between two stopping thresholds, log cost is taken to be linear in log error. An accuracy that the cheapest
    threshold exceeds costs what that threshold costs.

    Parameters
    ----------
    cents, accuracy : (n_targets,)
        Means over seeds, by rising threshold.

    """
    error = np.maximum(1 - np.maximum.accumulate(accuracy), LEAST_ERROR)
    wanted = max(1 - level, LEAST_ERROR)
    if error[-1] > wanted:
        return float("nan")
    return float(np.exp(np.interp(-np.log(wanted), -np.log(error), np.log(cents))))


def table(outcomes: Mapping[str, Sequence[Sequence[Outcome]]], levels: Sequence[float] = LEVELS) -> dict[str, Any]:
    """
    Make one population's figures.

    Parameters
    ----------
    outcomes : arm to (n_targets, n_seeds) outcomes
        The same seeds in every arm.

    """
    cents = {arm: np.array([[one.cents_per_item for one in row] for row in rows]) for arm, rows in outcomes.items()}
    accuracy = {arm: np.array([[one.accuracy for one in row] for row in rows]) for arm, rows in outcomes.items()}
    n_seeds = next(iter(cents.values())).shape[1]
    draws = np.random.default_rng(0).integers(n_seeds, size=(DRAWS, n_seeds))
    report: dict[str, Any] = {}
    for arm, rows in outcomes.items():
        report[arm] = _gating([one for row in rows for one in row]) | {
            "curve": [
                {"cents_per_item": float(c), "accuracy": float(a)}
                for c, a in zip(cents[arm].mean(axis=1), accuracy[arm].mean(axis=1), strict=True)
            ],
            "at": {str(level): _at(level, cents, accuracy, arm, draws) for level in levels},
        }
    return report


def _at(
    level: float, cents: Mapping[str, Floats], accuracy: Mapping[str, Floats], arm: str, draws: Any
) -> dict[str, float | None]:
    """Give an arm's cost at an accuracy, and Assay's cost over it with its interval over paired seeds."""

    def cost(of: str, seeds: Any) -> float:
        return cost_at(level, cents[of][:, seeds].mean(axis=1), accuracy[of][:, seeds].mean(axis=1))

    everything = np.arange(draws.shape[1])
    own, assay = cost(arm, everything), cost("assay", everything)
    found: dict[str, float | None] = {"cents_per_item": _number(own)}
    if arm != "assay":
        # Where the arm never gets there, Assay's ratio to it is 0: any price is cheaper than none that does.
        drawn = [0.0 if np.isnan(low := cost(arm, seeds)) else cost("assay", seeds) / low for seeds in draws]
        ends = np.nanquantile(drawn, (0.025, 0.975)) if np.isfinite(drawn).any() else (np.nan, np.nan)
        ratio = 0.0 if np.isnan(own) and not np.isnan(assay) else assay / own
        found |= {"assay_over_it": _number(ratio), "low": _number(float(ends[0])), "high": _number(float(ends[1]))}
    return found


def _gating(outcomes: Sequence[Outcome]) -> dict[str, float | None]:
    """Count what became of bad and of good workers, over all seeds and thresholds."""
    rows = [
        (kind in GOOD, suspended, rested, golds)
        for one in outcomes
        for kind, suspended, rested, golds in zip(one.kinds, one.suspended, one.rested, one.golds, strict=True)
    ]
    good = [row for row in rows if row[0]]
    bad = [row for row in rows if not row[0]]
    return {
        "bad_caught": _mean([row[1] for row in bad]),
        "bad_rested": _mean([row[2] for row in bad]),
        "golds_to_catch": _mean([row[3] for row in bad if row[1]]),
        "good_gated": _mean([row[1] for row in good]),
        "good_rested": _mean([row[2] for row in good]),
        "gold_share": _mean([one.gold_share for one in outcomes]),
    }


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
