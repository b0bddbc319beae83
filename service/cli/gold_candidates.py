"""`assay gold candidates`, `accept` and `refuse`: what may become gold, and a person's word on it."""

from __future__ import annotations

from typing import Any

import click

from service.cli.client import JOB, Api, with_api, write_json

ACCEPT = click.option(
    "--accept", multiple=True, required=True, metavar="LABEL=WHY", help="A label value that is right, and why."
)
_LONGEST = 300
_ITEM = click.argument("external_id", metavar="ITEM")


@click.command()
@JOB
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="So many.")
@click.option("--said", is_flag=True, help="Instead, what was said of candidates, by whom and why.")
@with_api
def candidates(api: Api, job_id: str, limit: int, said: bool) -> None:
    """Show items of whose label the consensus is sure: they may become gold once somebody accepts them."""
    if said:
        _show_verdicts(api, list(api.every(f"/jobs/{job_id}/gold/candidates/verdicts")))
        return
    told = api("GET", f"/jobs/{job_id}/gold/candidates", params={"limit": limit})
    if api.as_json:
        write_json(told)
        return
    for one in told["candidates"]:
        evidence = one["evidence"]
        answers = ", ".join(f"{label} {count}" for label, count in evidence["answers"].items() if count)
        api.console.print(f"{one['external_id']}  {evidence['label']}  {evidence['confidence']:.1%}  ({answers})")
        for name, value in one["payload"].items():
            api.console.print(f"    {name}: {_short(value)}")
    waiting = ", ".join(f"{label} {count}" for label, count in told["waiting"].items())
    api.console.print(
        f"Waiting: {waiting} (a consensus at least {told['least_confidence']:.0%} sure, on {told['least_answers']} "
        "answers or more). None of it is gold before somebody accepts it."
    )


@click.command()
@JOB
@_ITEM
@click.option("--bank", required=True, help="The gold bank that it goes into.")
@ACCEPT
@with_api
def accept(api: Api, job_id: str, external_id: str, bank: str, accept: tuple[str, ...]) -> None:
    """Make an item gold of a bank, having looked at it. In its own job it stays what it is."""
    one = {"external_id": external_id, "accepted": read_accepted(accept)}
    _show_verdicts(api, _decide(api, job_id, "accept", {"bank": bank, "candidates": [one]}))


@click.command()
@JOB
@_ITEM
@click.option("--reason", required=True, help="Why; it is kept.")
@with_api
def refuse(api: Api, job_id: str, external_id: str, reason: str) -> None:
    """Say that an item is not to be gold; it is not offered again."""
    one = {"external_id": external_id, "reason": reason}
    _show_verdicts(api, _decide(api, job_id, "refuse", {"candidates": [one]}))


def read_accepted(accept: tuple[str, ...]) -> list[dict[str, str]]:
    """Return label values with their reasons, as the API takes them."""
    accepted = []
    for one in accept:
        label, equals, why = one.rpartition("=")
        if not equals or not label or not why.strip():
            raise click.UsageError(f"--accept {one!r}: expected a label value and why it is right, as LABEL=WHY")
        accepted.append({"label": label, "reason": why.strip()})
    return accepted


def _short(value: Any) -> str:
    """Show a payload field; an image in it would fill the screen."""
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _decide(api: Api, job_id: str, what: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = api("POST", f"/jobs/{job_id}/gold/candidates/{what}", json=body)["candidates"]
    return told


def _show_verdicts(api: Api, rows: list[dict[str, Any]]) -> None:
    if api.as_json:
        write_json(rows)
        return
    for row in rows:
        if row["verdict"] == "accepted":
            labels = ", ".join(f"{one['label']} ({one['reason']})" for one in row["accepted"])
            what = f"is gold of the bank {row['bank']}, version {row['version']}, by {row['by']}: {labels}"
        else:
            what = f"is refused by {row['by']}: {row['reason']}"
        api.console.print(f"{row['external_id']} {what}")
