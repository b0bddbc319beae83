"""`assay job runs`: the inferences over a job's answers, each with its method, its parameters and its bound."""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

import click
from rich.table import Table

from service.cli.client import JOB, Api, ApiError, UnreachableError, with_api, write_json

_NONE: Final = "No inference has run yet."


@click.command()
@JOB
@click.option("--run", "run_id", help="Show one run with all of its parameters; 'last' is the latest.")
@click.option("--top", type=click.IntRange(1, 1000), default=20, show_default=True, help="So many, the latest first.")
@with_api
def runs(api: Api, job_id: str, run_id: str | None, top: int) -> None:
    """List the inferences over a job's answers: method, iterations, bound; or show one with its parameters."""
    if run_id is None:
        found = list(islice(api.every(f"/jobs/{job_id}/runs", limit=min(top, 100)), top))
        if api.as_json:
            write_json(found)
        else:
            api.console.print(_table(found) if found else _NONE)
        return
    one = last_run(api, job_id) if run_id == "last" else api("GET", f"/jobs/{job_id}/runs/{run_id}")
    if api.as_json:
        write_json(one)
    elif one is None:
        api.console.print(_NONE)
    else:
        _show(api, one)


def last_run(api: Api, job_id: str) -> dict[str, Any] | None:
    """Return the latest run of a job, if there is any."""
    found: list[dict[str, Any]] = api("GET", f"/jobs/{job_id}/runs", params={"limit": 1})["data"]
    return found[0] if found else None


def last_run_in_a_line(api: Api, job_id: str) -> str | None:
    """Say by what a job's labels were last inferred; nothing to a key that may read jobs and not labels."""
    try:
        one = last_run(api, job_id)
    except UnreachableError:
        raise
    except ApiError:
        return None
    if one is None:
        return "none yet"
    end = "" if one["converged"] else ", not converged"
    return f"{one['kind']} by {one['method']}, bound {_bound(one)} at iteration {one['iterations']}{end}"


def _table(found: list[dict[str, Any]]) -> Table:
    table = Table("run", "kind", "method", "answers", "iterations", "bound", "finished", box=None, pad_edge=False)
    for one in found:
        steps = f"{one['iterations']}" + ("" if one["converged"] else ", not converged")
        finished = one["finished_at"][:19].replace("T", " ")
        table.add_row(one["run_id"], one["kind"], one["method"], f"{one['answers']:,}", steps, _bound(one), finished)
    return table


def _show(api: Api, one: dict[str, Any]) -> None:
    facts = Table(show_header=False, box=None, pad_edge=False)
    facts.add_row("run", f"{one['run_id']}  {one['kind']}")
    facts.add_row("method", one["method"])
    for name, value in one["parameters"].items():
        for place, part in enumerate(value if isinstance(value, list) and value else [value]):
            facts.add_row("" if place else f"  {name}", _said(part))
    facts.add_row("bound", _bound(one))
    facts.add_row("iterations", f"{one['iterations']}, {'converged' if one['converged'] else 'not converged'}")
    facts.add_row("over", f"{one['answers']:,} answers to {one['items']:,} items by {one['workers']:,} workers")
    for label, share in (one["prevalence"] or {}).items():
        facts.add_row(f"  {label}", f"{share:.1%} of the items")
    facts.add_row("finished", one["finished_at"][:19].replace("T", " "))
    api.console.print(facts)


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_said(part)}" for name, part in value.items())
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _bound(one: dict[str, Any]) -> str:
    return "none" if one["bound"] is None else f"{one['bound']:,.3f}"
