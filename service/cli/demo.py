"""`assay demo`: a job from items to labels before one's eyes, with a made-up crowd."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from service.cli.trial.demonstration import Outcome

_SHOWN = 4  # workers at either end of the table


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Where the demo keeps its things.")
@click.option("--items", type=click.IntRange(20, 1200), default=300, show_default=True, help="How many digits.")
@click.option("--workers", type=click.IntRange(8, 200), default=40, show_default=True, help="How large a crowd.")
@click.option("--anew", is_flag=True, help="Start from nothing; otherwise a demo that was interrupted carries on.")
def demo(data: Path | None, items: int, workers: int, anew: bool) -> None:
    """Label handwritten digits with a made-up crowd, a quarter of whom spam.

    Everything is real but the people: a Postgres, the service, the marketplace and its worker site, through which the
    crowd works over HTTP. Ctrl-C stops it cleanly; run again, it carries on.
    """
    from rich.console import Console  # noqa: PLC0415 - `assay --help` does without it

    from foundation.settings import default_data_folder  # noqa: PLC0415
    from service.cli.trial import demonstration  # noqa: PLC0415
    from service.cli.trial.house import House  # noqa: PLC0415
    from service.cli.trial.screen import Screen  # noqa: PLC0415

    console = Console()
    folder = data or default_data_folder(os.environ).with_name("assay-demo")
    if anew:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    console.print(f"Assay demo, in {folder}: {items} handwritten digits, {workers} made-up workers", highlight=False)
    try:
        with House(folder / "data", env={"ASSAY_LOG_LEVEL": "warning"}) as house, Screen(console, house.url) as screen:
            outcome = demonstration.run(house, folder, items=items, workers=workers, anew=anew, watch=screen.show)
    except KeyboardInterrupt:
        console.print("Stopped. Nothing is lost: run it again to carry on, or with --anew to start from nothing.")
        raise SystemExit(130) from None
    _report(console, outcome)


def _report(console: Console, outcome: Outcome) -> None:
    from rich.table import Table  # noqa: PLC0415

    answers_each = outcome.answers / outcome.items
    facts = Table(show_header=False, box=None, padding=(0, 2), title="What came of it", title_justify="left")
    facts.add_row("Majority vote", f"{outcome.accuracy_majority:.1%} of {outcome.items} items right")
    facts.add_row("Assay", f"[bold]{outcome.accuracy_assay:.1%}[/bold] of {outcome.items} items right")
    facts.add_row("Answers", f"{outcome.answers}, {answers_each:.2f} an item")
    facts.add_row(
        "Cost", f"${outcome.spent_cents / 100:.2f}, of ${outcome.worst_case_cents / 100:.2f} in the worst case"
    )
    facts.add_row("Time", f"{outcome.seconds:.0f} s")
    facts.add_row("Labels", str(outcome.labels_file))
    console.print()
    console.print(facts, highlight=False)
    ranked = sorted(outcome.workers, key=lambda row: (row["gold"]["mean"], row["answers"]), reverse=True)
    table = Table(title="Best and worst workers, by their accuracy on gold", title_justify="left", box=None)
    for name in ("worker", "answers", "gold right", "accuracy", "90% interval"):
        table.add_column(name, justify="left" if name == "worker" else "right")
    shown = [*ranked[:_SHOWN], None, *ranked[-_SHOWN:]] if len(ranked) > 2 * _SHOWN else ranked
    for row in shown:
        table.add_row(*(_cells(row) if row else ["…"] * 5))
    console.print()
    console.print(table, highlight=False)


def _cells(row: Mapping[str, Any]) -> list[str]:
    gold = row["gold"]
    right = f"{gold['right']} of {gold['total']}"
    interval = f"{gold['low']:.0%} to {gold['high']:.0%}"
    return [row["worker"], str(row["answers"]), right, f"{gold['mean']:.0%}", interval]
