"""`assay gold`: list, correct, retire and exclude gold of a job or a bank, see what is flagged, and keep banks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import msgspec
from rich.table import Table

from service.cli.client import JOB, Api, ApiError, with_api, write_json
from service.cli.gold_candidates import ACCEPT, accept, candidates, read_accepted, refuse
from service.cli.importing import FORMS, import_file
from service.spec import SpecError
from service.spec_reading import check_spec, decode_spec

_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
_BANK = click.argument("bank", metavar="BANK")
_WHERE = click.argument("where", metavar="JOB|BANK")
_GOLD = click.argument("external_id", metavar="GOLD")
_CAUSE = click.option("--reason", "cause", required=True, help="Why; it is kept with the version.")
_IN_JOBS = click.option("--in-jobs", is_flag=True, help="Of a bank's gold: in every job that has it too.")
_JOB_ID = "job_"


@click.group()
def gold() -> None:
    """See, correct, retire and exclude gold, find more, and keep it in banks."""


for command in (candidates, accept, refuse):
    gold.add_command(command)


@gold.command("list")
@_WHERE
@with_api
def list_(api: Api, where: str) -> None:
    """List the gold of a job or a bank, each item in the version in force."""
    rows = list(api.every(f"{_path(where)}/{'gold' if _is_job(where) else 'items'}"))
    if api.as_json:
        write_json(rows)
        return
    table = Table("gold", "state", "version", "accepted", "since", "by", "copied from", box=None, pad_edge=False)
    for row in rows:
        accepted = ", ".join(one["label"] for one in row["accepted"])
        origin = row.get("copied_from")
        came = f"{origin['bank']}, version {origin['version']}" if origin else ""
        table.add_row(row["external_id"], row["state"], str(row["version"]), accepted, row["at"][:19], row["by"], came)
    api.console.print(table)


@gold.command()
@_WHERE
@click.argument("external_id", metavar="[GOLD]", required=False)
@with_api
def show(api: Api, where: str, external_id: str | None) -> None:
    """Show every version: who made it, when and why."""
    path = f"{_path(where)}/{'gold/versions' if _is_job(where) else 'versions'}"
    rows = list(api.every(path, **({} if external_id is None else {"external_id": external_id})))
    if api.as_json:
        write_json(rows)
        return
    if external_id is not None and not rows:
        raise ApiError(f"There is no gold {external_id!r} in the {'job' if _is_job(where) else 'bank'}.")
    for row in rows:
        api.console.print(f"{row['external_id']}  {row['version']}  {row['at'][:19]}  {row['state']} by {row['by']}")
        for one in row["accepted"]:
            api.console.print(f"    {one['label']}: {one['reason'] or 'no reason given'}")
        if row["cause"]:
            api.console.print(f"    because {row['cause']}")


@gold.command()
@_WHERE
@_GOLD
@ACCEPT
@_CAUSE
@_IN_JOBS
@with_api
def edit(api: Api, where: str, external_id: str, accept: tuple[str, ...], cause: str, *, in_jobs: bool) -> None:
    """Put other accepted label values in force. In a job, everybody is scored again."""
    _correct(api, where, in_jobs, {"external_id": external_id, "cause": cause, "accepted": read_accepted(accept)})


@gold.command()
@_WHERE
@_GOLD
@_CAUSE
@_IN_JOBS
@with_api
def retire(api: Api, where: str, external_id: str, cause: str, *, in_jobs: bool) -> None:
    """Ask it no more; what was answered counts on."""
    _correct(api, where, in_jobs, {"external_id": external_id, "cause": cause, "state": "retired"})


@gold.command()
@_WHERE
@_GOLD
@_CAUSE
@_IN_JOBS
@with_api
def exclude(api: Api, where: str, external_id: str, cause: str, *, in_jobs: bool) -> None:
    """Have it count for nobody. In a job, what it wrongly cost is forgiven."""
    _correct(api, where, in_jobs, {"external_id": external_id, "cause": cause, "state": "excluded"})


@gold.command()
@_WHERE
@with_api
def flags(api: Api, where: str) -> None:
    """Say which gold of a job or a bank looks wrong or known, and which label values the crowd gets wrong.

    A bank's gold is judged by what all jobs' workers answered to it.
    """
    told = api("GET", f"{_path(where)}/{'gold/flags' if _is_job(where) else 'flags'}")
    if api.as_json:
        write_json(told)
        return
    for one in told["gold"]:
        out = "" if one.get("state", "asked") == "asked" else f" ({one['state']})"
        api.console.print(f"{one['external_id']}{out}  {one['kind']}: {one['reason']} {one['advice']}")
        for job in one.get("jobs", ()):
            when = f"{job['first_at'][:10]} to {job['last_at'][:10]}"
            right = f"{job['right']} of {job['answers']} right"
            api.console.print(f"    {job['job_id']}  {job['job_state']}, {job['state']} there  {when}  {right}")
    for one in told["bias"]:
        api.console.print(f"label value {one['label']}: {one['reason']}")
    if not told["gold"] and not told["bias"]:
        over = "" if _is_job(where) else f", {told['answers']} in {told['jobs']} jobs"
        api.console.print(f"Nothing is flagged; {told['tested']} gold items have answers{over}.")


@gold.command()
@_BANK
@click.argument("external_id", metavar="[GOLD]", required=False)
@with_api
def copies(api: Api, bank: str, external_id: str | None) -> None:
    """List the jobs that have a bank's gold, or one item of it, and whether they still ask it."""
    rows = list(api.every(f"{_path(bank)}/copies", **({} if external_id is None else {"external_id": external_id})))
    if api.as_json:
        write_json(rows)
        return
    table = Table("gold", "job", "the job is", "the gold is", "version", "copied from", box=None, pad_edge=False)
    for row in rows:
        versions = str(row["version"]), f"version {row['bank_version']}"
        table.add_row(row["external_id"], row["job_id"], row["job_state"], row["state"], *versions)
    api.console.print(table)


@gold.command()
@_BANK
@click.argument("spec", type=_FILE, metavar="SPEC")
@with_api
def create(api: Api, bank: str, spec: Path) -> None:
    """Make a bank for jobs with the task of SPEC, a spec in YAML or JSON."""
    text = sys.stdin.buffer.read() if str(spec) == "-" else spec.read_bytes()
    try:
        task = msgspec.to_builtins(check_spec(decode_spec(text, is_yaml=spec.suffix.lower() != ".json")).task)
    except SpecError as error:
        raise click.UsageError(f"{spec}: {error.wrong[0]}") from None
    _say(api, api("POST", "/gold-banks", json={"name": bank, "task": task}))


@gold.command("import")
@_BANK
@click.argument("file", type=_FILE)
@click.option("--format", "form", type=click.Choice(list(FORMS)), help="What the file is; by its name otherwise.")
@with_api
def import_(api: Api, bank: str, file: Path, form: str | None) -> None:
    """Import the gold of FILE into a bank: NDJSON, CSV with a header, or a JSON array; - is standard input."""
    done = import_file(api, f"{_path(bank)}/items", file, is_gold=True, form=form)
    if api.as_json:
        write_json(done)


@gold.command()
@_BANK
@with_api
def export(api: Api, bank: str) -> None:
    """Write a bank's gold that may go into jobs to standard output, as NDJSON that can be imported."""
    for row in api.every(f"{_path(bank)}/items", state="asked"):
        line = {name: row[name] for name in ("external_id", "payload", "accepted")}
        sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")


@gold.command()
@JOB
@_BANK
@click.option("--count", type=click.IntRange(1, 100_000), help="So many; by default what the job lacks.")
@with_api
def copy(api: Api, job_id: str, bank: str, count: int | None) -> None:
    """Copy gold from a bank into a job: balanced over label values, the least met first."""
    wanted: dict[str, Any] = {"bank": bank} | ({} if count is None else {"count": count})
    done = api("POST", f"/jobs/{job_id}/gold/from-bank", json=wanted)
    if api.as_json:
        write_json(done)
    else:
        api.console.print(f"{done['copied']} gold items copied; the job's next HITs lack {done['gold_missing']}.")


def _is_job(where: str) -> bool:
    return where.startswith(_JOB_ID)


def _path(where: str) -> str:
    return f"/{'jobs' if _is_job(where) else 'gold-banks'}/{quote(where, safe='')}"


def _correct(api: Api, where: str, in_jobs: bool, correction: dict[str, Any]) -> None:
    if in_jobs and _is_job(where):
        raise click.UsageError("--in-jobs is for the gold of a bank.")
    path = f"{_path(where)}/{'gold/corrections' if _is_job(where) else 'corrections'}"
    done = {where: api("POST", path, json={"corrections": [correction]})}
    if in_jobs:
        # The bank first: what jobs copy from it meanwhile is right.
        for copy in list(api.every(f"{_path(where)}/copies", external_id=correction["external_id"])):
            job_id = copy["job_id"]
            done[job_id] = api("POST", f"{_path(job_id)}/gold/corrections", json={"corrections": [correction]})
    if api.as_json:
        write_json(done if in_jobs else done[where])
        return
    for place, told in done.items():
        (row,) = told["gold"]
        what = f"is {row['state']}, version {row['version']}" if told["changed"] else "was so already"
        api.console.print(f"{row['external_id']} {what}{f' in {place}' if in_jobs else ''}.")


def _say(api: Api, bank: dict[str, Any]) -> None:
    if api.as_json:
        write_json(bank)
    else:
        api.console.print(f"bank {bank['name']}: {bank['asked']} gold items, version {bank['version']}")
