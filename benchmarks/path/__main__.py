"""``python -m benchmarks.path``: see the package."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import signal
from pathlib import Path
from typing import Any

import benchmarks.path as about
from benchmarks.path import hits, rows, whole
from benchmarks.path.works import Works


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    size = {"bundle": options.bundle, "redundancy": options.redundancy}
    report: dict[str, Any] = {"machine": machine(), "items": options.items, **size}
    with Works(warm=options.warm) as works:
        runs = {}
        for count in options.workers:
            runs[str(count)] = await whole.run(works, count, items=options.items, **size)
        posted = max(1, options.items // options.bundle)
        report["hits"], job_id = await hits.run(works, hits=posted, rounds=options.rounds, **size)
        report["rows"] = await rows.run(works, job_id, bundle=options.bundle)
    first = runs[str(options.workers[0])]
    names = ("answers_per_second", "shares", "stage_seconds", "books")
    return report | {name: first[name] for name in names} | {"workers": runs}


def machine() -> dict[str, Any]:
    """Say what all this ran on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gb": round(memory, 1),
        "python": platform.python_version(),
        "fsync": True,
        "load_before": os.getloadavg()[0],
    }


def show(report: dict[str, Any]) -> None:
    """Print the report as the tables of docs/performance.md."""
    print(f"{report['machine']}\n")
    print("| `assay work` | jobs | answers/s | CPU ms an answer | cores used | Postgres | HTTP | boto3 | pipeline |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for count, run in report["workers"].items():
        shares = " | ".join(f"{run['shares'][name]:.0%}" for name in ("postgres", "http", "boto3", "pipeline"))
        print(
            f"| {count} | {run['jobs']} | {run['answers_per_second']:.0f} | {run['cpu_ms_per_answer']:.2f} "
            f"| {run['cores_used']:.2f} of {run['cores']} | {shares} |"
        )
    posted, saved = report["hits"], report["rows"]
    print("\n| | Assay | bare | ratio |\n|---|--:|--:|--:|")
    for what, row, name in (
        ("HITs posted a second, beside boto3", posted, "boto3"),
        ("answers saved", saved, "unnest"),
    ):
        print(f"| {what} | {row['assay_per_second']:,.0f} | {row[f'{name}_per_second']:,.0f} | {row['ratio']:.0%} |")


def end(signal_number: int, _frame: object) -> None:
    """End by way of all that has to be stopped first: the processes are in sessions of their own."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(128 + signal_number)


def main() -> None:
    parser = argparse.ArgumentParser(description=about.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=3000, help="items of each run, in all of its jobs")
    parser.add_argument("--bundle", type=int, default=5, help="items of a HIT")
    parser.add_argument("--redundancy", type=int, default=3, help="answers of each item")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4], help="how many assay work, run by run")
    parser.add_argument("--rounds", type=int, default=2, help="turns of posting HITs")
    parser.add_argument(
        "--no-warm", dest="warm", action="store_false", help="for a try: do not compile all kernels first"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, end)
    report = asyncio.run(measure(options))
    if options.json:
        print(json.dumps(report))
    else:
        show(report)


if __name__ == "__main__":
    main()
