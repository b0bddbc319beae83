"""Show how time and memory grow with answers, labels and workers, beside crowd-kit's.

``python -m benchmarks.growth --out docs/growth.json`` runs `benchmarks.em` at each size, writes what it says, and
draws it beside that as ``docs/growth.svg``. Where ``--far`` is given, Assay alone goes on to so many answers.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import altair as alt

ANSWERS = [10_000, 100_000, 1_000_000]
LABELS = [2, 5, 10, 20]
WORKERS = [100, 1_000, 10_000]
# For the other two axes.
SIZE = 100_000
STEPS = 6


def measure(**options: int) -> dict[str, Any]:
    named = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "benchmarks.em", "--json", *named]
    report: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(json.dumps(report), flush=True)
    return report


def measure_all(far: list[int]) -> dict[str, list[dict[str, Any]]]:
    return {
        "answers": [measure(answers=n) for n in ANSWERS] + [measure(answers=n, alone=STEPS, repeat=1) for n in far],
        "labels": [measure(answers=SIZE, labels=n) for n in LABELS],
        "workers": [measure(answers=SIZE, workers=n) for n in WORKERS],
    }


def points(measured: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Put each engine's time and memory at each size into a row of its own."""
    return [
        {"axis": axis, "size": report[axis], "engine": engine, "kind": kind, "value": report[f"{key}_{unit}"]}
        for axis, reports in measured.items()
        for report in reports
        for engine, key in (("Assay", "assay"), ("crowd-kit", "crowdkit"))
        for kind, unit in (("seconds", "seconds"), ("peak memory, MB", "mb"))
        if f"{key}_{unit}" in report
    ]


def draw(measured: dict[str, list[dict[str, Any]]]) -> Any:
    """Draw time above memory, by answers, labels and workers, all on logarithmic scales."""
    rows = points(measured)

    def panel(axis: str, kind: str) -> Any:
        chosen = [row for row in rows if row["axis"] == axis and row["kind"] == kind]
        log = alt.Scale(type="log", nice=False)
        return (
            alt.Chart(alt.Data(values=chosen), width=260, height=200)
            .mark_line(point=True)
            .encode(
                x=alt.X("size:Q", scale=log, title=axis, axis=alt.Axis(format="~s", tickCount=5)),
                y=alt.Y("value:Q", scale=alt.Scale(type="log"), title=kind, axis=alt.Axis(format="~g")),
                color=alt.Color("engine:N", title=None, scale=alt.Scale(range=["#1f77b4", "#d95f02"])),
            )
        )

    kinds = dict.fromkeys(row["kind"] for row in rows)
    return alt.vconcat(*[alt.hconcat(*[panel(axis, kind) for axis in measured]) for kind in kinds])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/growth.json"))
    parser.add_argument("--far", type=int, nargs="*", default=[], metavar="ANSWERS", help="sizes for Assay alone")
    parser.add_argument("--draw", action="store_true", help="draw what was measured before")
    options = parser.parse_args()
    if options.draw:
        measured = json.loads(options.out.read_text())
    else:
        measured = measure_all(options.far)
        options.out.write_text(json.dumps(measured, indent=1) + "\n")
    draw(measured).save(options.out.with_suffix(".svg"))


if __name__ == "__main__":
    main()
