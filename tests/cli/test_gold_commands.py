"""`assay gold` against a real server: banks filled and copied from, gold corrected, bad files told in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.api.test_bank_flags import LEAKED, worked
from tests.api.test_gold_banks import make
from tests.api.test_gold_candidates import answered
from tests.cli.conftest import EXAMPLES, Shell

PETS, ITEMS, GOLD = (str(EXAMPLES / name) for name in ("pets.yaml", "pets-items.csv", "pets-gold.csv"))


async def test_a_bank_goes_from_a_file_into_a_job_and_out_again(shell: Shell, tmp_path: Path) -> None:
    assert (await shell("gold", "create", "pets", PETS)).output == "bank pets: 0 gold items, version 0\n"
    done = await shell("gold", "import", "pets", GOLD)
    assert (done.exit_code, "4 gold items added" in done.stderr) == (0, True), done.output
    rows = await shell.json("gold", "list", "pets")
    first = rows[0]["external_id"]
    assert (await shell("gold", "retire", "pets", first, "--reason", "it leaked")).output == (
        f"{first} is retired, version 2.\n"
    )
    shown = await shell("gold", "show", "pets", first)
    assert "because it leaked" in shown.output
    nothing = await shell("gold", "show", "pets", "nope")
    assert (nothing.exit_code, nothing.stderr) == (1, "assay: There is no gold 'nope' in the bank.\n")
    lines = (await shell("gold", "export", "pets")).stdout.splitlines()
    assert [json.loads(line)["external_id"] for line in lines] == [row["external_id"] for row in rows[1:]]
    again = tmp_path / "again.jsonl"
    again.write_text("\n".join(lines))
    assert (await shell("gold", "create", "copy", PETS)).exit_code == 0
    assert (await shell("gold", "import", "copy", str(again))).exit_code == 0

    job_id = (await shell("job", "create", PETS, "--items", ITEMS)).stdout.strip()
    copied = await shell("gold", "copy", job_id, "pets")
    assert copied.output == "3 gold items copied; the job's next HITs lack 1.\n"
    assert "pets, version 1" in (await shell("gold", "list", job_id)).output
    label = (await shell.json("job", "show", job_id))["spec"]["task"]["labels"][0]
    gold = (await shell.json("gold", "list", job_id))[0]["external_id"]
    edited = await shell("gold", "edit", job_id, gold, "--accept", f"{label}=looked at it", "--reason", "contested")
    assert edited.output == f"{gold} is asked, version 2.\n"
    assert (await shell("gold", "exclude", job_id, gold, "--reason", "x")).output == f"{gold} is excluded, version 3.\n"
    assert (await shell("gold", "flags", job_id)).output == "Nothing is flagged; 0 gold items have answers.\n"
    nothing = "Nothing is flagged; 0 gold items have answers, 0 in 0 jobs.\n"
    assert (await shell("gold", "flags", "pets")).output == nothing


async def test_flags_of_a_bank_name_the_jobs_and_what_to_do(shell: Shell) -> None:
    bank, [job_id, _] = await worked(shell.api, lambda item, _met, rng: ((item + (item == LEAKED)) % 3, 1.0), n_jobs=2)
    told = (await shell("gold", "flags", bank)).stdout.splitlines()
    assert "g-5  missed: 6 of 6 workers in good standing missed this gold" in told[0]
    assert "correct what it accepts, or exclude it, in the bank and in the jobs that have it" in told[0]
    assert told[1] == f"    {job_id}  draft, asked there  2026-01-05 to 2026-01-05  0 of 3 right"
    lost = await shell("gold", "flags", "nowhere")
    assert (lost.exit_code, lost.stderr) == (1, "assay: There is no such gold bank.\n")


async def test_gold_of_a_bank_is_corrected_in_every_job_that_has_it(shell: Shell) -> None:
    assert (await shell("gold", "create", "spread", PETS)).exit_code == 0
    assert (await shell("gold", "import", "spread", GOLD)).exit_code == 0
    jobs = [(await shell("job", "create", PETS, "--items", ITEMS)).stdout.strip() for _ in range(2)]
    for job_id in jobs:
        assert (await shell("gold", "copy", job_id, "spread")).exit_code == 0
    [gold, *_] = [row["external_id"] for row in await shell.json("gold", "list", "spread")]
    retire = ("gold", "retire", "spread", gold, "--reason", "it leaked")
    assert (await shell(*retire)).output == f"{gold} is retired, version 2.\n", "in the bank alone"
    everywhere = (await shell(*retire, "--in-jobs")).output.splitlines()
    assert everywhere == [
        f"{gold} was so already in spread.",
        *(f"{gold} is retired, version 2 in {job_id}." for job_id in jobs),
    ]
    assert all("already" in line for line in (await shell(*retire, "--in-jobs")).output.splitlines())
    told = [(row["job_id"], row["state"]) for row in await shell.json("gold", "copies", "spread", gold)]
    assert told == [(job_id, "retired") for job_id in jobs]
    assert jobs[0] in (await shell("gold", "copies", "spread")).output
    wrong = await shell("gold", "retire", jobs[0], gold, "--reason", "x", "--in-jobs")
    assert (wrong.exit_code, "--in-jobs is for the gold of a bank." in wrong.stderr) == (2, True)


async def test_candidates_are_looked_at_accepted_and_refused(shell: Shell) -> None:
    job_id, bank = await answered(shell.api), await make(shell.api, [])
    shown = (await shell("gold", "candidates", job_id)).output
    assert "item-1  cat  99.0%  (cat 4, other 1)\n    text: text 1\n" in shown
    assert "Waiting: cat 2, dog 1, other 0 (a consensus at least 98% sure, on 4 answers or more)" in shown
    done = await shell("gold", "accept", job_id, "item-1", "--bank", bank, "--accept", "cat=I looked")
    assert done.output == f"item-1 is gold of the bank {bank}, version 1, by tests: cat (I looked)\n"
    assert (await shell("gold", "refuse", job_id, "item-0", "--reason", "blurred")).output == (
        "item-0 is refused by tests: blurred\n"
    )
    assert [one["verdict"] for one in await shell.json("gold", "candidates", job_id, "--said")] == [
        "refused",
        "accepted",
    ]
    rest = await shell.json("gold", "candidates", job_id)
    assert [one["external_id"] for one in rest["candidates"]] == ["item-2"]
    late = await shell("gold", "refuse", job_id, "item-1", "--reason", "late")
    assert (late.exit_code, late.stderr.count("\n")) == (1, 1)
    assert late.stderr.startswith(
        "assay: 1 of these items cannot be decided on; nothing was changed: item-1: was accepted"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "1 line is not valid"),
        (b"\xff\xfe\n", "1 line is not valid"),
        (b"{", "1 line is not valid"),
        (b'{"external_id": "g", "payload": {}, "accepted": "cow"}', "1 line is not valid"),
    ],
)
async def test_a_bad_file_is_one_clear_line_and_stores_nothing(
    shell: Shell, tmp_path: Path, content: bytes, said: str
) -> None:
    assert (await shell("gold", "create", "bad", PETS)).exit_code == 0
    file = tmp_path / "gold.jsonl"
    file.write_bytes(content)
    refused = await shell("gold", "import", "bad", str(file))
    assert refused.exit_code == 1
    assert refused.stderr.splitlines()[0] == f"assay: {said}; nothing was stored."
    assert "Traceback" not in refused.output
    assert await shell.json("gold", "list", "bad") == []


async def test_what_is_used_wrongly_is_told_in_a_line(shell: Shell, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("name: [")
    for args, code in (
        (("create", "x", str(spec)), 2),
        (("import", "nowhere", GOLD), 1),
        (("list", "nowhere"), 1),
        (("edit", "nowhere", "g", "--accept", "cat", "--reason", "why"), 2),
        (("retire", "nowhere", "g"), 2),
    ):
        done = await shell("gold", *args)
        assert done.exit_code == code, (args, done.output)
        assert "Traceback" not in done.output
