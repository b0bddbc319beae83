"""`assay trust`: see why a worker is trusted or not, say so oneself, and try rules before they are switched on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import click
from rich.table import Column, Table

from service.cli.client import JOB, Api, with_api, write_json

_WORKER = click.argument(
    "worker_id", metavar="WORKER", callback=lambda _context, _parameter, value: quote(value, safe="")
)
_REASON = click.option("--reason", required=True, help="Why; it is kept in the worker's history.")
_RULES = (
    click.option("--good-accuracy", type=float, help="A worker who is right this often is good."),
    click.option("--wrongly-suspended", type=float, help="At most this share of good workers is suspended."),
    click.option("--missed", type=float, help="At most this share of random clickers is ever trusted."),
    click.option("--on-gold", type=float, help="So much of the share of errors is spent on gold alone."),
    click.option("--gold-horizon", type=int, help="Gold answers of a worker over which the errors hold."),
    click.option("--horizon", type=int, help="Answers of a worker over which the errors hold."),
    click.option("--corroboration", type=float, help="Agreement suspends nobody before gold alone is so many to one."),
)


@click.group()
def trust() -> None:
    """See why workers are trusted or not, suspend them, and try rules."""


@trust.command()
@JOB
@_WORKER
@with_api
def show(api: Api, job_id: str, worker_id: str) -> None:
    """Show what a job believes of a worker, the numbers behind it, and every change with its reason."""
    _show(api, api("GET", f"/jobs/{job_id}/workers/{worker_id}/trust"))


def _add_word(name: str, state: str, told: str) -> None:
    """Add the command by which a person says that a worker is in a state."""

    @trust.command(name, help=told)
    @JOB
    @_WORKER
    @_REASON
    @with_api
    def say(api: Api, job_id: str, worker_id: str, reason: str) -> None:
        word = {"state": state, "reason": reason}
        _show(api, api("PUT", f"/jobs/{job_id}/workers/{worker_id}/trust", json=word))


_add_word(
    "suspend",
    "suspended",
    "Keep a worker from the job's HITs; their answers lose their weight, and what they did stays paid.",
)
_add_word("keep", "trusted", "Trust a worker, whatever the policy says, until it is taken back.")


@trust.command()
@JOB
@_WORKER
@with_api
def release(api: Api, job_id: str, worker_id: str) -> None:
    """Leave a worker to the policy again."""
    _show(api, api("DELETE", f"/jobs/{job_id}/workers/{worker_id}/trust"))


def _rules(command: Callable[..., None]) -> Callable[..., None]:
    """Add an option for each rule."""
    for option in reversed(_RULES):
        command = option(command)
    return command


@trust.command("dry-run")
@JOB
@_rules
@with_api
def dry_run(api: Api, job_id: str, **rules: float | None) -> None:
    """Say whom rules would have suspended, when and at what error. Nothing is changed.

    Rules that are not given are the job's own.
    """
    given = {name: value for name, value in rules.items() if value is not None}
    told = api("POST", f"/jobs/{job_id}/trust/dry-run", json=given)
    if api.as_json:
        write_json(told)
        return
    table = Table(
        Column("worker", min_width=33, no_wrap=True),
        "at",
        "gold",
        "answers",
        "not come",
        "now",
        box=None,
        pad_edge=False,
    )
    for one in told["suspended"]:
        gold = f"{one['gold_right']}/{one['gold_total']}"
        counts = str(one["answers_before"]), str(one["answers_after"])
        table.add_row(one["worker"], one["at"][:19], gold, *counts, one["state"])
    api.console.print(table if told["suspended"] else "These rules would have suspended nobody.")
    api.console.print(
        f"{len(told['suspended'])} of {told['judged']} workers; of those who are "
        f"{told['rules']['good_accuracy']:.0%} right, at most {told['expected_wrong']:.2g} expected among them. "
        f"{told['answers_not_come']} of {told['answers']} answers would not have come."
    )
    chances = ", ".join(f"{one['accuracy']:.0%} right {one['suspended']:.1%}" for one in told["error"])
    api.console.print(f"Suspended on gold alone over {told['rules']['gold_horizon']} gold answers: {chances}.")


@trust.command()
@JOB
@_rules
@click.option("--suspend/--watch", default=None, help="Whether the policy suspends, or only watches.")
@with_api
def switch(api: Api, job_id: str, **rules: float | None) -> None:
    """Put rules in force, of which a dry run has shown the effect: everybody is judged by them anew.

    Rules that are not given stay as they are.
    """
    given = {name: value for name, value in rules.items() if value is not None}
    told = api("PATCH", f"/jobs/{job_id}/trust", json=given)
    if api.as_json:
        write_json(told)
        return
    changed = ", ".join(f"{name} is {told['trust'][name]}" for name in told["changed"])
    api.console.print(f"In force: {changed}. Everybody is judged anew." if changed else "These are in force already.")


@trust.command()
@JOB
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="So many workers.")
@with_api
def signs(api: Api, job_id: str, limit: int) -> None:
    """Show which workers may be automating, and what each sign is worth. Nobody is suspended by it: you judge."""
    told = api("GET", f"/jobs/{job_id}/trust/signs", params={"limit": limit})
    if api.as_json:
        write_json(told)
        return
    for one in told["workers"]:
        api.console.print(f"{one['worker']}  {one['state']} by {one['by']}")
        for sign in one["signs"]:
            api.console.print(f"    {_sign(sign)}")
    api.console.print(
        f"{told['total']} workers with signs of automation, {len(told['workers'])} shown. One worker in "
        f"{1 / told['base_rate']:.0f} is taken to automate before any sign; a sign by itself suspends nobody."
    )


def _sign(sign: dict[str, Any]) -> str:
    peer = f" The other worker: {sign['peer']}." if sign.get("peer") else ""
    return f"{sign['reason']}{peer}"


def _show(api: Api, told: dict[str, Any]) -> None:
    if api.as_json:
        write_json(told)
        return
    kept_out = "; the market keeps them out" if told["kept_out"] else ""
    evidence, by_person = told["evidence"], told["by"] == "person"
    if by_person:
        api.console.print(f"{told['worker']} is {told['state']} by a person's word{kept_out}: {told['reason']}")
    else:
        api.console.print(f"{told['worker']} is {told['state']} by the policy{kept_out}. {told['reason']}".rstrip())
    if "accuracy" in evidence:
        accuracy, gold = evidence["accuracy"], evidence["gold"]
        api.console.print(
            f"{'What the answers say, whoever says otherwise: accuracy' if by_person else 'Accuracy'} "
            f"{accuracy['mean']:.0%}, {accuracy['low']:.0%} to {accuracy['high']:.0%}; "
            f"gold {gold['right']} of {gold['total']}; bad with a chance of {evidence['chance_bad']:.1%}."
        )
        if by_person:
            policy = evidence["policy"]
            api.console.print(f"Left to the policy, the worker would be {policy['state']}. {policy['reason']}".rstrip())
    ring = evidence.get("ring")
    if ring and ring["others"]:
        api.console.print(f"Shares answers with {', '.join(ring['others'])}, most of all.")
    for sign in evidence.get("automation", ()):
        api.console.print(f"Sign of automation: {_sign(sign)}")
    for change in told["history"]:
        api.console.print(f"{change['at'][:19]}  {change['state']} by {change['by']}: {change['reason']}")
