"""Measure what a gate is worth.

``python -m benchmarks.gate --json``

Crowds are the simulation's own kinds of worker. All arms share crowd, items, consensus (Dawid-Skene, gold clamped),
stopping rule and the picking of gold, and differ in how much gold they ask and whom they suspend. Each runs at several
stopping thresholds; costs are compared where accuracy is equal.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.gate.arms import Assay, LastGolds, NoGate
from benchmarks.gate.compare import LEVELS, table
from benchmarks.gate.job import Gate, Job, Setting
from benchmarks.gate.populations import POPULATIONS, QUICK
from gold.worth import RestPolicy

TARGETS = (0.6, 0.8, 0.9, 0.95)


def arms(setting: Setting, *, ablation: bool) -> dict[str, Callable[[], Gate]]:
    """Name the arms; with the ablation also Assay without anybody resting."""
    found: dict[str, Callable[[], Gate]] = {
        "no gate": NoGate,
        "70% of last 10": lambda: LastGolds("70% of last 10", 0.7, 10),
        "60% after 3 of last 10": lambda: LastGolds("60% after 3 of last 10", 0.6, 3),
        "assay": lambda: Assay(setting.n_labels),
    }
    if ablation:
        found["assay, none rests"] = lambda: Assay(setting.n_labels, rest=RestPolicy(share=0))
    return found


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--labels", type=int, default=3, help="number of label values, 2 to 4")
    parser.add_argument("--only", nargs="*", choices=POPULATIONS, help="populations")
    parser.add_argument("--quick", action="store_true", help="three populations, two seeds")
    parser.add_argument("--ablation", action="store_true", help="also Assay with nobody resting")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not 2 <= options.labels <= 4 or options.seeds < 1:
        parser.error("labels are 2 to 4, and seeds 1 or more")
    setting = Setting(n_labels=options.labels)
    seeds = range(2 if options.quick else options.seeds)
    chosen = options.only or (QUICK if options.quick else POPULATIONS)
    started = time.process_time()
    report: dict[str, Any] = {}
    for name in chosen:
        outcomes = {}
        for arm, gate in arms(setting, ablation=options.ablation).items():
            print(f"{name}: {arm}".ljust(60), end="\r", file=sys.stderr)
            outcomes[arm] = [
                [Job(setting, POPULATIONS[name], gate(), target, seed).run() for seed in seeds] for target in TARGETS
            ]
        report[name] = table(outcomes)
    told = {"labels": options.labels, "seeds": len(seeds), "cpu_seconds": time.process_time() - started}
    if options.json:
        print(json.dumps(told | {"populations": report}))
    else:
        show(report, told)


def show(report: dict[str, Any], told: dict[str, Any]) -> None:
    """Print a table for people: cents per item at each accuracy, and in brackets Assay's cost over the arm's."""
    heads = "".join(f"{f'{100 * level:g}%':>16}" for level in LEVELS)
    print(f"{'':42}{heads}{'caught':>8}{'golds':>7}{'gated':>7}{'rested':>7}{'gold':>7}")
    for name, of_arm in report.items():
        for arm, row in of_arm.items():
            cells = "".join(f"{_cell(row['at'][str(level)]):>16}" for level in LEVELS)
            rates = [row["bad_caught"], row["golds_to_catch"], row["good_gated"], row["good_rested"], row["gold_share"]]
            forms = [(">8.0%"), ">7.1f", ">7.1%", ">7.0%", ">7.1%"]
            tail = "".join(
                format("-", f">{form[1]}") if rate is None else format(rate, form)
                for rate, form in zip(rates, forms, strict=True)
            )
            print(f"{name:18}{arm:24}{cells}{tail}")
    print(f"{told['labels']} label values, {told['seeds']} seeds, {told['cpu_seconds']:.0f} s of processor time")


def _cell(at: dict[str, float | None]) -> str:
    if at["cents_per_item"] is None:
        return "never"
    ratio = at.get("assay_over_it")
    return f"{at['cents_per_item']:.1f}" + ("" if ratio is None else f" ({ratio:.2f})")


if __name__ == "__main__":
    main()
