"""`assay agreement`: how far a job's workers agree, and where they do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
from rich.table import Table

from service.cli.client import JOB, Api, with_api, write_json

_NAMES = {"alpha": "alpha", "ordinal_alpha": "ordinal alpha", "kappa": "kappa", "ac1": "AC1"}


@click.command()
@JOB
@click.option("--window", type=click.Choice(["hour", "day", "week"]), default="day", show_default=True, help="Of time.")
@click.option("--ordinal", is_flag=True, help="Ordinal alpha too: the label values stand in an order.")
@click.option(
    "--top", type=click.IntRange(1, 1000), default=10, show_default=True, help="So many pairs and items at most."
)
@click.option("--gold", is_flag=True, help="Gold items too.")
@with_api
def agreement(api: Api, job_id: str, window: str, ordinal: bool, top: int, gold: bool) -> None:
    """Show how far workers agree beyond chance: overall, by label value, by batch, over time, and where they do not."""
    params = {"window": window, "ordinal": str(ordinal).lower(), "top": str(top), "gold": str(gold).lower()}
    told = api("GET", f"/jobs/{job_id}/agreement", params=params)
    if api.as_json:
        write_json(told)
        return
    if not told["answers"]:
        api.console.print("No answer counts yet.")
        return
    api.console.print(f"{told['answers']} answers to {told['items']} items.")
    measures = [(_NAMES[name], *_figure(one)) for name, one in told["measures"].items()]
    _print(api, ("measure", "value", "95% interval", "items"), measures)
    for name, one in told["measures"].items():
        if one["undefined"]:
            api.console.print(f"No {_NAMES[name]}: {one['undefined']}.")
    labels = [
        (
            one["label"] + (" (rare)" if one["rare"] else ""),
            str(one["answers"]),
            _share(one["specific"]),
            *_figure(one["alpha"]),
        )
        for one in told["labels"]
    ]
    _print(api, ("label", "answers", "met again", "alpha", "95% interval", "items"), labels)
    batches = [("(none)" if one["batch"] is None else one["batch"], *_group(one)) for one in told["batches"]]
    _print(api, ("batch", "alpha", "95% interval", "items", "AC1"), batches)
    windows = [(one["start"][:16].replace("T", " "), *_group(one)) for one in told["windows"]]
    _print(api, (f"{window} from", "alpha", "95% interval", "items", "AC1"), windows)
    pairs = [(" / ".join(one["labels"]), f"{one['share']:.1%}", f"{one['ratio']:.2f}") for one in told["confused"]]
    _print(api, ("confused", "of pairs", "times chance"), pairs)
    items = [
        (
            one["external_id"],
            f"{one['disagreement']:.2f}",
            f"{one['entropy']:.2f}",
            ", ".join(f"{label} {count}" for label, count in one["answers"].items()),
        )
        for one in told["disputed"]
    ]
    _print(api, ("disputed", "disagreement", "entropy", "answers"), items)


def _print(api: Api, heads: tuple[str, ...], rows: Sequence[Sequence[str]]) -> None:
    """Print a table after an empty line; nothing where it has no rows."""
    if not rows:
        return
    table = Table(*heads, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    api.console.print()
    api.console.print(table)


def _figure(one: dict[str, Any]) -> tuple[str, str, str]:
    interval = "" if one["low"] is None else f"{one['low']:.3f}…{one['high']:.3f}"
    return _value(one), interval, str(one["items"])


def _group(one: dict[str, Any]) -> tuple[str, str, str, str]:
    measures = one["measures"]
    return (*_figure(measures["alpha"]), _value(measures["ac1"]))


def _value(one: dict[str, Any]) -> str:
    return "none" if one["value"] is None else f"{one['value']:.3f}"


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"
