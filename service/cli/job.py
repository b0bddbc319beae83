"""`assay job`: check, create, launch, watch and end jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.table import Column, Table

from service.cli.client import JOB, Api, with_api, write_json
from service.cli.importing import import_file
from service.cli.money import dollars
from service.cli.runs import last_run_in_a_line, runs
from service.cli.watching import watch_job

_SPEC = click.argument("spec", type=click.Path(exists=True, dir_okay=False, path_type=Path))
_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
_STATES = ("draft", "running", "paused", "cancelling", "cancelled", "done")


@click.group()
def job() -> None:
    """Check, create, launch, watch and end jobs."""


job.add_command(runs)


@job.command()
@_SPEC
@click.option("--items", type=click.IntRange(min=0), default=1000, show_default=True, help="Estimate for so many.")
@with_api
def check(api: Api, spec: Path, items: int) -> None:
    """Check a spec, in YAML or JSON, and estimate what it would cost, without creating anything."""
    told = api("POST", "/jobs/check", params={"items": items}, **_spec_body(spec))
    if api.as_json:
        write_json(told)
        return
    api.console.print(f"{spec} is valid.")
    _show_estimate(api, told["estimate"])


@job.command()
@_SPEC
@click.option("--items", type=_FILE, help="Upload these items too.")
@click.option("--gold", type=_FILE, help="Upload this gold too.")
@click.option("--launch", is_flag=True, help="Launch it too.")
@click.option("--idempotency-key", help="Makes running this again harmless: it finds the job that was made.")
@with_api
def create(
    api: Api, spec: Path, items: Path | None, gold: Path | None, launch: bool, idempotency_key: str | None
) -> None:
    """Create a job from a spec in YAML or JSON; its id goes to standard output."""
    body = _spec_body(spec)
    if idempotency_key:
        body["headers"]["Idempotency-Key"] = idempotency_key
    made = api("POST", "/jobs", **body)
    job_id = made["job_id"]
    for file, is_gold in ((items, False), (gold, True)):
        if file is not None:
            import_file(api, f"/jobs/{job_id}/{'gold' if is_gold else 'items'}", file, is_gold=is_gold)
    if launch and made["state"] == "draft":
        api("POST", f"/jobs/{job_id}/launch")
    if api.as_json:
        write_json(api("GET", f"/jobs/{job_id}"))
    else:
        click.echo(job_id)


@job.command()
@JOB
@with_api
def launch(api: Api, job_id: str) -> None:
    """Begin: post HITs and collect answers."""
    _act(api, job_id, "launch")


@job.command()
@JOB
@with_api
def pause(api: Api, job_id: str) -> None:
    """Take the job's HITs from the workers' view; what was accepted still comes in and is paid."""
    _act(api, job_id, "pause")


@job.command()
@JOB
@with_api
def resume(api: Api, job_id: str) -> None:
    """Offer a paused job's HITs again."""
    _act(api, job_id, "resume")


@job.command()
@JOB
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_api
def cancel(api: Api, job_id: str, yes: bool) -> None:
    """End the job for good; what was accepted still comes in and is paid."""
    if not yes:
        click.confirm(f"Cancel {job_id} for good?", abort=True, err=True)
    _act(api, job_id, "cancel")


@job.command()
@JOB
@click.argument("dollars_text", metavar="DOLLARS")
@with_api
def budget(api: Api, job_id: str, dollars_text: str) -> None:
    """Change the budget limit, in US dollars."""
    changed = api("PATCH", f"/jobs/{job_id}", json={"budget": dollars_text})
    if api.as_json:
        write_json(changed)
    else:
        api.console.print(f"{job_id} may cost {dollars(changed['budget']['limit_cents'])} at most.")


@job.command("list")
@click.option("--state", type=click.Choice(_STATES), help="Only jobs in this state.")
@with_api
def list_(api: Api, state: str | None) -> None:
    """List jobs, the newest first."""
    found = list(api.every("/jobs", **({"state": state} if state else {})))
    if api.as_json:
        write_json(found)
        return
    table = Table(
        Column("job", min_width=30, no_wrap=True),
        "name",
        "state",
        "spent",
        "promised",
        "budget",
        "created",
        box=None,
        pad_edge=False,
    )
    for one in found:
        money = (dollars(one["budget"][name]) for name in ("spent_cents", "reserved_cents", "limit_cents"))
        table.add_row(one["job_id"], one["name"], one["state"], *money, one["created_at"][:16].replace("T", " "))
    api.console.print(table if found else "There are no jobs.")


@job.command()
@JOB
@with_api
def show(api: Api, job_id: str) -> None:
    """Show a job: its state, its money, how far it is and what happened lately."""
    one, progress = api("GET", f"/jobs/{job_id}"), api("GET", f"/jobs/{job_id}/progress")
    if api.as_json:
        write_json({**one, "progress": progress})
        return
    items, hits, money = progress["items"], progress["hits"], one["budget"]
    facts = Table(show_header=False, box=None, pad_edge=False)
    facts.add_row("job", f"{one['job_id']}  {one['name']}")
    facts.add_row("state", one["state"] + (f": {one['pause_reason']}" if one["pause_reason"] else ""))
    facts.add_row("possible", ", ".join(one["possible"]) or "nothing more")
    facts.add_row("items", f"{items['settled']} of {items['total']} settled, {items['labelled']} labelled")
    facts.add_row("gold", str(progress["gold"]))
    facts.add_row("HITs", f"{hits['open']} open, {hits['closed']} of {hits['total']} closed")
    facts.add_row("answers", f"{progress['answers']} from {progress['workers']} workers")
    facts.add_row(
        "money",
        f"{dollars(money['spent_cents'])} spent, {dollars(money['reserved_cents'])} promised, "
        f"{dollars(money['limit_cents'])} at most",
    )
    inferred = last_run_in_a_line(api, job_id)
    if inferred is not None:
        facts.add_row("inferred", inferred)
    for event in reversed(progress["events"]):
        facts.add_row(event["at"][:19].replace("T", " "), event["message"])
    api.console.print(facts)


@job.command()
@JOB
@with_api
def estimate(api: Api, job_id: str) -> None:
    """Estimate what the items that are still to be posted will cost at the most."""
    told = api("GET", f"/jobs/{job_id}/estimate")
    if api.as_json:
        write_json(told)
    else:
        _show_estimate(api, told)


@job.command()
@JOB
@click.option("--every", type=click.FloatRange(min=0.1), default=1.0, show_default=True, help="Seconds between looks.")
@click.option("--stay", is_flag=True, help="Watch on when the job is paused.")
@with_api
def watch(api: Api, job_id: str, every: float, stay: bool) -> None:
    """Watch a job until it is done. Exit code 1 where it is cancelled, or paused and not told to stay."""
    raise SystemExit(watch_job(api, job_id, every=every, stay=stay))


def _spec_body(spec: Path) -> dict[str, Any]:
    kind = "application/json" if spec.suffix.lower() == ".json" else "application/yaml"
    return {"content": spec.read_bytes(), "headers": {"Content-Type": kind}}


def _act(api: Api, job_id: str, action: str) -> None:
    done = api("POST", f"/jobs/{job_id}/{action}")
    if api.as_json:
        write_json(done)
    else:
        api.console.print(f"{job_id} is {done['state']}.")


def _show_estimate(api: Api, told: dict[str, Any]) -> None:
    facts = Table(show_header=False, box=None, pad_edge=False)
    facts.add_row("to post", f"{told['items']} items in {told['hits']} HITs")
    facts.add_row("worst case", dollars(told["worst_case_cents"]))
    facts.add_row("at the least", dollars(told["least_cents"]))
    facts.add_row("an assignment", f"{dollars(told['assignment_cents'])}, fee included")
    facts.add_row("an answer", f"{told['cents_per_answer']:.2f} cents")
    bank = f", {told['gold_from_bank']} from the bank at launch" if told["gold_from_bank"] else ""
    facts.add_row("gold needed", f"{told['gold_needed']}, {told['gold_there']} there{bank}")
    api.console.print(facts)
    for one in told["workers"]:
        cost = dollars(round(one["gold_cents"]))
        api.console.print(
            f"A worker who is {one['accuracy']:.0%} right costs {cost} in {one['gold']:.1f} gold answers, "
            f"beside {one['items']:.1f} others, and is suspended with a chance of {one['suspended']:.1%}."
        )
    for note in told["notes"]:
        api.console.print(note)
