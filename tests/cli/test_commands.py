"""The commands against a real server: what they do, what they print, and how they end."""

from __future__ import annotations

import asyncio
import csv
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from pyarrow import parquet

from service.api import exports
from service.store import labels as stored_labels
from service.store.dues import Connection
from tests.api.facts import Facts, watched_job
from tests.cli.conftest import EXAMPLES, Shell

PETS, ITEMS, GOLD = (str(EXAMPLES / name) for name in ("pets.yaml", "pets-items.csv", "pets-gold.csv"))


async def test_the_examples_make_a_job_that_runs(shell: Shell) -> None:
    checked = await shell("job", "check", PETS, "--items", "12")
    assert "worst case     $0.96" in checked.output
    made = await shell("job", "create", PETS, "--items", ITEMS, "--gold", GOLD, "--launch")
    assert made.exit_code == 0, made.output
    job_id = made.stdout.strip()
    assert job_id.startswith("job_"), "the id alone is on standard output, for scripts"
    shown = await shell.json("job", "show", job_id)
    assert (shown["state"], shown["progress"]["items"]["total"], shown["progress"]["gold"]) == ("running", 12, 4)
    assert "12 items added, 0 were there already" in made.stderr


async def test_a_job_is_taken_through_its_states(shell: Shell) -> None:
    job_id = (await shell("job", "create", PETS, "--items", ITEMS, "--gold", GOLD)).stdout.strip()
    for action, state in (("launch", "running"), ("pause", "paused"), ("resume", "running")):
        done = await shell("job", action, job_id)
        assert (done.exit_code, done.output) == (0, f"{job_id} is {state}.\n")
    assert (await shell("job", "cancel", job_id, stdin="n\n")).exit_code == 1
    assert (await shell.json("job", "cancel", job_id, "--yes"))["state"] == "cancelling"
    refused = await shell("job", "resume", job_id)
    assert refused.exit_code == 1
    assert refused.stderr == "assay: The job is cancelling, so it cannot resume; nothing more can be asked of it.\n"


async def test_a_job_is_made_once_with_one_idempotency_key(shell: Shell) -> None:
    args = ("job", "create", PETS, "--items", ITEMS, "--gold", GOLD, "--launch", "--idempotency-key", "pets-1")
    first, again = await shell(*args), await shell(*args)
    assert first.stdout == again.stdout
    assert (again.exit_code, "0 items added, 12 were there already" in again.stderr) == (0, True)


async def test_jobs_are_listed(shell: Shell) -> None:
    assert (await shell("job", "list")).output == "There are no jobs.\n"
    job_id = (await shell("job", "create", PETS)).stdout.strip()
    listed = await shell("job", "list", "--state", "draft")
    assert job_id in listed.output
    assert "$25.00" in listed.output
    assert [job["job_id"] for job in await shell.json("job", "list")] == [job_id]


async def test_bad_lines_are_listed_one_a_line(shell: Shell, tmp_path: Path) -> None:
    job_id = (await shell("job", "create", PETS)).stdout.strip()
    file = tmp_path / "items.csv"
    file.write_text("external_id,sentence,minimum\na,,9\nb,words,9\n" + "c,x\n" * 30)
    refused = await shell("items", "import", job_id, str(file))
    assert refused.exit_code == 1
    lines = refused.stderr.splitlines()
    assert lines[0] == "assay: 32 lines are not valid; nothing was stored."
    assert lines[1] == "  line 2: minimum: expected at most the maximum, 4, got 9"
    assert lines[-1] == "  … and 12 more"


async def test_items_come_from_standard_input_too(shell: Shell) -> None:
    job_id = (await shell("job", "create", PETS)).stdout.strip()
    line = json.dumps({"external_id": "a", "payload": {"sentence": "A cat sat."}})
    done = await shell("items", "import", job_id, "-", "--format", "ndjson", "--json", stdin=line)
    assert json.loads(done.stdout) == {"added": 1, "unchanged": 0, "items": 1, "gold": 0}
    unnamed = await shell("items", "import", job_id, "-", stdin=line)
    assert (unnamed.exit_code, "give --format" in unnamed.output) == (2, True)


async def test_names_that_look_like_paths_lead_nowhere(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In items, in what a file is called, and as a job: a name is a name."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    job_id = (await shell("job", "create", PETS)).stdout.strip()
    names = ["../../above", "/etc/passwd", "..\\..\\x", "~/x", "%2e%2e%2fx", "[/bold]", "-o", "file:///etc/passwd"]
    lines = [json.dumps({"external_id": name, "payload": {"sentence": name}, "batch": name}) for name in names]
    file = tmp_path / "here" / "~ %2e%2e $(id) [x].ndjson"
    file.write_text("\n".join(lines))
    done = await shell("items", "import", job_id, file.name)
    assert (done.exit_code, "8 items added" in done.stderr) == (0, True), done.output
    exported = await shell("labels", "export", job_id, "--output", "labels.csv")
    assert exported.exit_code == 0, exported.output
    with (tmp_path / "here" / "labels.csv").open() as table:
        assert [row["external_id"] for row in csv.DictReader(table)] == names
    there = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}  # noqa: ASYNC240 - a test waits for nothing else
    assert there == {"here", f"here/{file.name}", "here/labels.csv"}, "nothing else was written"
    for job in ("../keys", f"{job_id}/../../keys", f"{job_id}%2f..", f"../jobs/{job_id}"):
        nowhere = await shell("items", "import", job, file.name)
        assert (nowhere.exit_code, "There is no" in nowhere.stderr) == (1, True), nowhere.output


async def test_items_are_withdrawn(shell: Shell, tmp_path: Path) -> None:
    job_id = (await shell("job", "create", PETS, "--items", ITEMS)).stdout.strip()
    listed = tmp_path / "ids.txt"
    listed.write_text("s-02\ns-03\n")
    done = await shell("items", "withdraw", job_id, "s-01", "--file", str(listed))
    assert done.output == "3 items withdrawn, 0 had been settled before\n"
    unknown = await shell("items", "withdraw", job_id, "s-99")
    assert (unknown.exit_code, "s-99: is not in the job" in unknown.stderr) == (1, True)


async def test_labels_are_exported_whole_or_not_at_all(shell: Shell, tmp_path: Path) -> None:
    job_id = (await shell("job", "create", PETS, "--items", ITEMS)).stdout.strip()
    printed = await shell("labels", "export", job_id)
    assert [row["external_id"] for row in csv.DictReader(printed.stdout.splitlines())][:2] == ["s-01", "s-02"]
    file = tmp_path / "labels.ndjson"
    written = await shell("labels", "export", job_id, "--output", str(file))
    assert f"12 labels written to {file}" in written.stderr
    assert len([json.loads(line) for line in file.read_text().splitlines()]) == 12
    file.write_text("as it was")
    assert (await shell("labels", "export", "job_gone", "--output", str(file))).exit_code == 1
    assert file.read_text() == "as it was"
    left = [*tmp_path.glob("*"), *tmp_path.glob(".*")]  # noqa: ASYNC240 - a test waits for nothing else
    assert left == [file], "no part of a file is left behind"
    nowhere = await shell("labels", "export", job_id, "--output", str(tmp_path / "no" / "such.csv"))
    assert (nowhere.exit_code, "cannot write to" in nowhere.output) == (2, True)


@pytest.mark.parametrize("form", ["csv", "ndjson"])
async def test_an_export_whose_database_goes_away_is_never_taken_for_whole(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """The status has been sent by then: the answer is broken off, so that every client sees that it is not whole."""
    job_id = (await shell("job", "create", PETS, "--items", ITEMS)).stdout.strip()
    page = stored_labels.page

    async def cut_off(conn: Connection, job_no: int, *, after: int, **asked: Any) -> Any:
        if after >= 0:
            await conn.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return await page(conn, job_no, after=after, **asked)

    monkeypatch.setattr(exports, "_AT_ONCE", 5)
    monkeypatch.setattr(stored_labels, "page", cut_off)
    url, key = f"{shell.url}/v1/jobs/{job_id}/labels", {"Authorization": f"Bearer {shell.api.key}"}
    async with httpx.AsyncClient() as client, client.stream("GET", url, params={"format": form}, headers=key) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            await answer.aread()
    target = tmp_path / f"labels.{form}"
    target.write_text("what was there")
    for args in (("--output", str(target)), ()):
        broken = await shell("labels", "export", job_id, "--format", form, *args)
        said = (
            f"assay: {shell.url} broke off before its answer was whole; try again, and see its log if that is no help\n"
        )
        assert (broken.exit_code, broken.stderr) == (3, said)
    assert target.read_text() == "what was there"
    left = [*tmp_path.glob("*"), *tmp_path.glob(".*")]  # noqa: ASYNC240 - a test waits for nothing else
    assert left == [target]


async def test_workers_are_listed_the_best_first(shell: Shell, tmp_path: Path) -> None:
    job_id = (await shell("job", "create", PETS, "--items", ITEMS)).stdout.strip()
    assert "Nobody has worked" in (await shell("workers", job_id)).output
    async with shell.api.service.pool.acquire() as conn:
        watched, facts, workers = await watched_job(shell.api, conn)
        await facts.confuse(0, (await facts.run())[0], [1, 0, 0, 0.25, 0.75, 0, 0, 0, 1])
        await facts.worker("IDLE")
    lines = (await shell("workers", watched)).output.splitlines()
    assert [line.split()[0] for line in lines[1:7]] == workers[:6], "of those with the same gold, the first seen first"
    assert ("20/20" in lines[1], "dog for cat 25%" in lines[1], "20/20" in lines[8]) == (True, True, False)
    told = await shell.json("workers", watched, "--sort", "agreement", "--asc")
    assert {one["worker"] for one in told[:2]} == set(workers[6:])
    printed = (await shell("workers", watched, "--csv", "--sort", "first_seen")).stdout
    [*listed, idle] = [row["worker"] for row in csv.DictReader(printed.splitlines())]
    assert listed == workers
    assert "No gold answered yet." in (await shell("workers", watched, "--worker", idle)).output
    file = tmp_path / "workers.parquet"
    assert (await shell("workers", watched, "--output", str(file), "--state", "trusted")).exit_code == 0
    assert parquet.read_table(file).num_rows == 0
    other = await shell("workers", watched, "--output", str(tmp_path / "workers.xls"))
    assert (other.exit_code, "workers.xls: expected a name that ends with" in other.output) == (2, True)
    alone = (await shell("workers", watched, "--worker", workers[0])).output
    assert f"{workers[0]} is probation by policy" in alone
    assert "cat: 20 of 20; 87% to 100%" in alone
    assert (await shell.json("workers", watched, "--worker", workers[0]))["answers"] == 60
    gone = await shell("workers", watched, "--worker", "worker_gone")
    assert (gone.exit_code, "There is no such worker" in gone.stderr) == (1, True)


async def test_runs_are_shown_with_method_parameters_and_bound(shell: Shell) -> None:
    job_id = await shell.api.job()
    assert "none yet" in (await shell("job", "show", job_id)).output
    assert (await shell("job", "runs", job_id)).output == "No inference has run yet.\n"
    async with shell.api.service.pool.acquire() as conn:
        facts = await Facts.of(shell.api, conn, job_id)
        first, second = [(await facts.run())[1] for _ in range(2)]
        parameters = {"pool": [{"subtypes": 2, "weight": 0.25}, {"subtypes": 4, "weight": 0.75}], "warm": False}
        await conn.execute("UPDATE run SET objective = -1234.5, params = $2 WHERE run_id = $1", second, parameters)
        await conn.execute("UPDATE run SET objective = NULL, converged = false WHERE run_id = $1", first)
    assert "interim by dawid_skene, bound -1,234.500 at iteration 1" in (await shell("job", "show", job_id)).output
    lines = (await shell("job", "runs", job_id)).output.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [second, first]
    assert ("-1,234.500" in lines[1], "1, not converged  none" in lines[2]) == (True, True)
    alone = (await shell("job", "runs", job_id, "--run", "last")).output
    assert alone == (await shell("job", "runs", job_id, "--run", second)).output
    for said in ("weight 0.25, subtypes 2", "weight 0.75, subtypes 4", "warm", "-1,234.500"):
        assert said in alone
    assert (await shell.json("job", "runs", job_id, "--run", second))["parameters"] == parameters
    assert [one["run_id"] for one in await shell.json("job", "runs", job_id, "--top", "1")] == [second]


async def test_watching_ends_when_the_job_does(shell: Shell) -> None:
    job_id = (await shell("job", "create", PETS, "--items", ITEMS, "--gold", GOLD, "--launch")).stdout.strip()
    watching = asyncio.create_task(shell("job", "watch", job_id, "--every", "0.1"))
    async with shell.api.service.pool.acquire() as conn:
        facts = await Facts.of(shell.api, conn, job_id)
        for item_no in range(12):
            await facts.settle(item_no, "target")
        await conn.execute("UPDATE job SET state = 'done', ended_at = launched_at WHERE job_no = $1", facts.job_no)
    seen = await watching
    assert seen.exit_code == 0, seen.output
    assert seen.output.splitlines()[-1].startswith("done; posted 0 of 0 HITs, 0 closed; answered 0 answers")
    assert "settled 12 of 12 items" in seen.output
    looks = [json.loads(line) for line in (await shell("job", "watch", job_id, "--json")).stdout.splitlines()]
    assert [look["state"] for look in looks] == ["done"]


async def test_watching_a_paused_job_says_why_and_ends(shell: Shell) -> None:
    job_id = (await shell("job", "create", PETS, "--items", ITEMS, "--gold", GOLD, "--launch")).stdout.strip()
    await shell("job", "pause", job_id)
    seen = await shell("job", "watch", job_id)
    assert (seen.exit_code, seen.output.splitlines()[-1]) == (1, "The job is paused: asked for by tests")


async def test_the_budget_is_changed(shell: Shell) -> None:
    job_id = (await shell("job", "create", PETS)).stdout.strip()
    assert (await shell("job", "budget", job_id, "30")).output == f"{job_id} may cost $30.00 at most.\n"
    wrong = await shell("job", "budget", job_id, "-5")
    assert wrong.exit_code == 2, "it looks like an option"
    assert "budget: expected US dollars" in (await shell("job", "budget", job_id, "5.555")).stderr


async def test_an_estimate_is_shown(shell: Shell) -> None:
    job_id = (await shell("job", "create", PETS, "--items", ITEMS)).stdout.strip()
    shown = await shell("job", "estimate", job_id)
    assert "gold needed    4, 0 there" in shown.output
    workers = [line.partition(" in ")[0] for line in shown.output.splitlines() if line.startswith("A worker who")]
    told = (await shell.json("job", "estimate", job_id))["workers"]
    assert workers == [
        f"A worker who is {one['accuracy']:.0%} right costs ${one['gold_cents'] / 100:.2f}" for one in told
    ]
    assert len(told) == 2
    assert (await shell.json("job", "estimate", job_id))["worst_case_cents"] == 96


@pytest.mark.parametrize(
    ("env", "exit_code", "expected"),
    [
        ({"ASSAY_API_KEY": ""}, 2, "no API key: set ASSAY_API_KEY"),
        ({"ASSAY_API_KEY": "assay_wrong"}, 1, "assay: The API key is not known here, or was revoked."),
        ({"ASSAY_API_KEY": "caf\u00e9"}, 2, "the API key has characters that no key has"),
        ({"ASSAY_URL": "http://127.0.0.1:9"}, 3, "assay: nothing answers at http://127.0.0.1:9"),
        ({"ASSAY_URL": "no address"}, 2, "is no address"),
        ({"ASSAY_URL": "ftp://127.0.0.1"}, 2, "is no address"),
        ({"ASSAY_URL": "http://[bad"}, 2, "is no address"),
        ({"ASSAY_URL": "http://x\ny"}, 2, "is no address"),
    ],
)
async def test_what_keeps_a_command_from_the_api_is_said_in_a_line(
    shell: Shell, env: dict[str, str], exit_code: int, expected: str
) -> None:
    result = await shell("job", "list", **env)
    assert result.exit_code == exit_code, result.output
    assert expected in result.output
    assert "Traceback" not in result.output


async def test_whatever_is_typed_as_a_job_is_not_there(shell: Shell) -> None:
    for typed in ("x", "../keys", "a b", "a\nb", "a?b", "\u00e9", "%00"):
        shown = await shell("job", "show", typed)
        assert (shown.exit_code, shown.stderr.startswith("assay: There is no")) == (1, True), shown.output


async def test_what_is_no_assay_is_named(shell: Shell) -> None:
    result = await shell("job", "list", ASSAY_URL=f"{shell.url}/elsewhere")
    assert (result.exit_code, result.stderr) == (1, "assay: 127.0.0.1 answered 404 Not Found; is it Assay?\n")


async def test_a_bad_spec_is_explained(shell: Shell, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("name: x\nreward: 0.05\nbudgt: 3\n")
    result = await shell("job", "check", str(spec))
    assert result.exit_code == 1
    assert "  budgt: is not known here; did you mean budget?" in result.stderr.splitlines()


async def test_rules_are_tried_before_they_are_switched_on(shell: Shell) -> None:
    async with shell.api.service.pool.acquire() as conn:
        job_id, _, workers = await watched_job(shell.api, conn)
    told = (await shell("trust", "dry-run", job_id)).output.splitlines()
    assert {line.split()[0] for line in told[1:3]} == set(workers[6:])
    assert told[3].startswith("2 of 8 workers; of those who are 85% right, at most 0.08 expected among them.")
    assert "Suspended on gold alone over 50 gold answers: 50% right" in told[4]
    strict = await shell.json("trust", "dry-run", job_id, "--wrongly-suspended", "1e-20", "--corroboration", "1000")
    assert (strict["suspended"], strict["rules"]["corroboration"]) == ([], 1000)
    assert "nobody" in (await shell("trust", "dry-run", job_id, "--wrongly-suspended", "1e-20")).output
    switched = await shell("trust", "switch", job_id, "--missed", "0.1", "--watch")
    assert switched.output == "In force: missed is 0.1, suspend is False. Everybody is judged anew.\n"
    assert (await shell("trust", "switch", job_id, "--watch")).output == "These are in force already.\n"
    wrong = await shell("trust", "dry-run", job_id, "--good-accuracy", "0.2")
    assert (wrong.exit_code, "expected more than 0.33" in wrong.stderr) == (1, True)


async def test_a_person_has_the_last_word_on_a_worker(shell: Shell) -> None:
    async with shell.api.service.pool.acquire() as conn:
        job_id, _, [worker, *_] = await watched_job(shell.api, conn)
    sign = {"kind": "speed", "reason": "Too fast.", "chance": 0.3, "p_value": 0.001, "likelihood_ratio": 20.0}
    async with shell.api.service.pool.acquire() as conn:
        await conn.execute(
            "UPDATE job_worker SET trust = $2 WHERE worker_id = $1",
            worker,
            {
                "automation": [sign | {"peer": "worker_x"}],
                "ring": {"others": ["worker_y", "worker_z"]},
                "accuracy": {"mean": 0.95, "low": 0.9, "high": 0.98},
                "gold": {"right": 20, "total": 20},
                "chance_bad": 0.0,
                "policy": {"state": "trusted", "reason": "20 of 20 gold answers right."},
            },
        )
    listed = (await shell("trust", "signs", job_id)).output.splitlines()
    assert listed[:2] == [f"{worker}  probation by policy", "    Too fast. The other worker: worker_x."]
    assert listed[2].startswith("1 workers with signs of automation, 1 shown. One worker in 50 is taken to automate")
    said = (await shell("trust", "suspend", job_id, worker, "--reason", "left the company")).output
    assert f"{worker} is suspended by a person's word: left the company" in said
    assert "whoever says otherwise: accuracy 95%, 90% to 98%; gold 20 of 20; bad with a chance of 0.0%." in said
    assert "Left to the policy, the worker would be trusted. 20 of 20 gold answers right." in said
    kept = (await shell("trust", "keep", job_id, worker, "--reason", "is back")).output
    assert "is trusted by a person's word: is back" in kept
    released = (await shell("trust", "release", job_id, worker)).output.splitlines()
    assert released[0].startswith(f"{worker} is probation by the policy.")
    assert released[1] == "Accuracy 95%, 90% to 98%; gold 20 of 20; bad with a chance of 0.0%."
    assert released[2] == "Shares answers with worker_y, worker_z, most of all."
    assert released[3] == "Sign of automation: Too fast. The other worker: worker_x."
    assert [line.split("  ")[1].split(":")[0] for line in released[4:]] == [
        "probation by policy",
        "trusted by person",
        "suspended by person",
    ]
    assert (await shell("trust", "show", job_id, worker)).output.splitlines() == released


async def test_agreement_is_shown_with_what_is_in_dispute(shell: Shell) -> None:
    async with shell.api.service.pool.acquire() as conn:
        job_id, _, _ = await watched_job(shell.api, conn)
    told = (await shell("agreement", job_id, "--ordinal", "--top", "2")).output
    exact = await shell.json("agreement", job_id, "--ordinal", "--top", "2")
    assert "320 answers to 40 items" in told
    for measure in ("alpha", "ordinal_alpha", "kappa", "ac1"):
        assert f"{exact['measures'][measure]['value']:.3f}" in told
    assert exact["disputed"][0]["external_id"] in told
    assert len(exact["disputed"]) == 2
    empty = await shell("agreement", await shell.api.job())
    assert (empty.exit_code, empty.output.strip()) == (0, "No answer counts yet.")
