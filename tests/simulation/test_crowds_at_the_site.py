"""Crowds at a live marketplace: what they meant to answer is what the requester reads."""

from __future__ import annotations

import asyncio
import json
import sys

import numpy as np
import pytest

from simulation.browser import ATTEMPTS, Browser, Refused
from simulation.crowd import Pace, open_connections, run_until
from simulation.made_up import LabelMismatchError, MadeUpCrowd
from simulation.recording import RecordingError, read_recording
from simulation.replay import Replay
from simulation.traits import Traits, Worker
from simulation.workers import population
from tests.simulation.conftest import no_time

PICTURE = "data:image/png;base64,iVBORw0KGgo="


def knowing(name: str, **traits) -> Worker:
    return Worker(name, Traits("expert", np.eye(3), **traits), np.random.default_rng(1))


async def let_loose(crowd: MadeUpCrowd, live, people, links) -> None:
    async with open_connections() as connections:
        lives = [
            crowd.live(worker, Browser(live.url, link, connections, no_time))
            for worker, link in zip(people, links, strict=True)
        ]
        await asyncio.wait_for(run_until(asyncio.Event(), lives), 30)


async def test_those_who_know_answer_what_is_true(live, requester):
    truths = {"a duck": "yes", "a goose": "no", PICTURE: "maybe", "water & <b>reeds</b>": "no"}
    await requester.post("a duck", PICTURE, assignments=2)
    await requester.post("water & <b>reeds</b>", "a goose", assignments=2)
    invited = await requester.invite(2)
    crowd = MadeUpCrowd(truths, Pace(sleep=no_time), patience=5)
    await let_loose(crowd, live, [knowing("w1"), knowing("w2")], [link for _, link in invited])
    expected = {(text, worker_id): label for text, label in truths.items() for worker_id, _ in invited}
    assert await requester.answers() == expected
    assert (crowd.tally.answers_given, crowd.tally.hits_submitted, crowd.tally.items_unknown) == (8, 4, 0)
    assert crowd.tally.workers_active == 0


async def test_a_mixed_crowd_fills_every_hit_however_its_workers_give_up(live, requester):
    truths = {f"item {number}": ["no", "yes", "maybe"][number % 3] for number in range(8)}
    for text in truths:
        await requester.post(text, assignments=2)
    people = population({"expert": 2, "ordinary": 2, "random_spammer": 1}, 5, 3, seed=4)
    crowd = MadeUpCrowd(truths, Pace(sleep=no_time), patience=8)
    await let_loose(crowd, live, people, [link for _, link in await requester.invite(5)])
    left = crowd.tally.hits_left_lying
    assert len(await requester.answers()) == crowd.tally.answers_given == 16 - left


async def test_workers_give_hits_back_and_let_them_lie(live, requester):
    hit_id = await requester.post("item", assignments=2)
    invited = await requester.invite(2)
    people = [knowing("returns", gives_back=1.0, stays=1), knowing("walks", walks_off=1.0, stays=1)]
    crowd = MadeUpCrowd({"item": "yes"}, Pace(sleep=no_time), patience=3)
    await let_loose(crowd, live, people, [link for _, link in invited])
    assert (crowd.tally.hits_returned, crowd.tally.hits_left_lying, crowd.tally.answers_given) == (1, 1, 0)
    hit = (await live.call("get_hit", HITId=hit_id))["HIT"]
    assert (hit["NumberOfAssignmentsAvailable"], hit["NumberOfAssignmentsPending"]) == (1, 1)


async def test_an_item_that_nobody_knows_is_guessed_at_and_counted(live, requester):
    await requester.post("never seen")
    [(_, link)] = await requester.invite(1)
    crowd = MadeUpCrowd({"item": "yes"}, Pace(sleep=no_time), patience=3)
    await let_loose(crowd, live, [knowing("w")], [link])
    assert (crowd.tally.items_unknown, crowd.tally.answers_given) == (1, 1)


@pytest.mark.parametrize("truth", ["purple", "yes"])
async def test_a_crowd_made_for_other_labels_says_so(live, requester, truth):
    await requester.post("item")
    [(_, link)] = await requester.invite(1)
    worker = Worker("w", Traits("x", np.eye(2)), np.random.default_rng(1))
    with pytest.raises(LabelMismatchError, match=r"purple|3 label values"):
        await let_loose(MadeUpCrowd({"item": truth}, Pace(sleep=no_time)), live, [worker], [link])


async def test_a_worker_who_is_told_to_stop_gives_its_hit_back(live, requester):
    hit_id = await requester.post("item")
    [(_, link)] = await requester.invite(1)
    stop = asyncio.Event()

    async def stop_at_work(seconds: float) -> None:
        if seconds > 0 and crowd.tally.hits_submitted == 0 and stop_at_work.armed:
            stop.set()
            await asyncio.sleep(60)
        await asyncio.sleep(0)

    stop_at_work.armed = False
    crowd = MadeUpCrowd({"item": "yes"}, Pace(sleep=stop_at_work))
    async with open_connections() as connections:
        browser = Browser(live.url, link, connections, no_time)
        stop_at_work.armed = True
        assert not await asyncio.wait_for(run_until(stop, [crowd.live(knowing("w"), browser)]), 10)
    hit = (await live.call("get_hit", HITId=hit_id))["HIT"]
    assert (hit["NumberOfAssignmentsAvailable"], hit["NumberOfAssignmentsPending"]) == (1, 0)


async def test_a_worker_comes_back_with_the_same_invitation(live, requester):
    await requester.post("item", assignments=2)
    [(_, link)] = await requester.invite(1)
    async with open_connections() as connections:
        for _ in range(2):
            browser = Browser(live.url, link, connections, no_time)
            assert len(await browser.groups()) == 1
            await browser.close()


async def test_a_worker_whose_page_after_signing_in_is_lost_signs_in_again(live, requester):
    """The form is sent a second time, while its cookie went with the first response."""

    class Unlucky(Browser):
        async def _send(self, method, url, fields=None):
            page = await super()._send(method, url, fields)
            if method == "POST" and not posted:
                posted.append(page.status)
                page = await super()._send(method, url, fields)
                posted.append(page.status)
            return page

    posted = []
    await requester.post("item")
    [(_, link)] = await requester.invite(1)
    async with open_connections() as connections:
        browser = Unlucky(live.url, link, connections, no_time)
        assert len(await browser.groups()) == 1
        await browser.close()
    assert posted == [200, 403]


async def test_a_worker_who_is_disabled_leaves(live, requester):
    await requester.post("item")
    [(worker_id, link)] = await requester.invite(1)
    async with live.marketplace.pool.acquire() as conn:
        await conn.execute("UPDATE worker SET state = 'disabled' WHERE worker_id = $1", worker_id)
    crowd = MadeUpCrowd({"item": "yes"}, Pace(sleep=no_time))
    await let_loose(crowd, live, [knowing("w")], [link])
    assert (crowd.tally.workers_turned_away, crowd.tally.answers_given) == (1, 0)


async def test_a_submission_whose_response_is_lost_counts_once(live, requester):
    await requester.post("item")
    [(worker_id, link)] = await requester.invite(1)
    await live.misbehave({"operation": "externalSubmit", "kind": "drop", "count": 1})
    crowd = MadeUpCrowd({"item": "yes"}, Pace(sleep=no_time), patience=3)
    await let_loose(crowd, live, [knowing("w")], [link])
    assert (crowd.tally.answers_given, crowd.tally.hits_refused) == (1, 0)
    assert await requester.answers() == {("item", worker_id): "yes"}


async def test_work_is_taken_up_again_when_the_site_was_out_of_reach(live, requester):
    await requester.post("item")
    [(worker_id, link)] = await requester.invite(1)
    await live.misbehave({"operation": "externalSubmit", "kind": "drop_before", "count": ATTEMPTS})
    crowd = MadeUpCrowd({"item": "yes"}, Pace(sleep=no_time), patience=3)
    await let_loose(crowd, live, [knowing("w")], [link])
    assert "externalSubmit" in crowd.tally.trouble or "mturk" in crowd.tally.trouble
    assert await requester.answers() == {("item", worker_id): "yes"}


LABELS = """task,worker,label
t1,ann,yes
t1,bob,no
t2,ann,maybe
t1,ann,no
t3,cid,yes
t2,cid,no
t3,bob,maybe
"""
ITEMS = {"t1": "the  first <i>text</i>", "t2": "the second", "t3": "the third"}
EXPECTED = {
    ("t1", "bob"): "no",
    ("t2", "ann"): "maybe",
    ("t1", "ann"): "no",
    ("t3", "cid"): "yes",
    ("t2", "cid"): "no",
    ("t3", "bob"): "maybe",
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "labels.csv").write_text(LABELS)
    rows = [json.dumps({"task": task, "text": text}) for task, text in ITEMS.items()]
    (tmp_path / "items.jsonl").write_text("\n".join(rows) + "\n")
    return tmp_path


async def play(live, recording, links, sleep=no_time, patience=6.0) -> Replay:
    async with open_connections() as connections:
        browsers = {
            name: Browser(live.url, link, connections, no_time)
            for name, link in zip(recording.workers, links, strict=False)
        }
        reader = Browser(live.url, links[-1], connections, no_time)
        crowd = Replay(recording, browsers, reader, pace=Pace(sleep=sleep), patience=patience)
        try:
            lives = [crowd.read(), *(crowd.lend_a_hand() for _ in range(4))]
            await asyncio.wait_for(run_until(asyncio.Event(), lives), 30)
        finally:
            await crowd.close()
    return crowd


async def test_a_replay_gives_exactly_the_recorded_answers(live, requester, folder):
    recording = read_recording(folder)
    for text in reversed(ITEMS.values()):
        await requester.post(text, assignments=3)
    invited = await requester.invite(4)
    crowd = await play(live, recording, [link for _, link in invited])
    names = dict(zip([worker_id for worker_id, _ in invited], recording.workers, strict=False))
    tasks = {text: task for task, text in ITEMS.items()}
    given = {(tasks[text], names[worker_id]): label for (text, worker_id), label in (await requester.answers()).items()}
    assert given == EXPECTED
    assert (crowd.tally.answers_given, crowd.schedule.left) == (6, 0)


async def test_a_replay_waits_for_hits_to_appear_and_to_be_extended(live, requester, folder):
    recording = read_recording(folder)
    texts = list(ITEMS.values())
    hit_id = await requester.post(texts[0], assignments=1)
    rounds = 0

    async def meanwhile(seconds: float) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 2:
            await requester.post(texts[1], assignments=2)
        if rounds == 4:
            await requester.post(texts[2], assignments=2)
            await live.call("create_additional_assignments_for_hit", HITId=hit_id, NumberOfAdditionalAssignments=1)
        await no_time(seconds)

    links = [link for _, link in await requester.invite(4)]
    crowd = await play(live, recording, links, sleep=meanwhile, patience=60)
    assert (crowd.tally.answers_given, crowd.schedule.left) == (6, 0)


async def test_a_replay_ends_when_there_is_nothing_left_to_wait_for(live, requester, folder):
    recording = read_recording(folder)
    await requester.post(ITEMS["t1"], assignments=2)
    await requester.post("something that nobody recorded")
    crowd = await play(live, recording, [link for _, link in await requester.invite(4)])
    assert (crowd.tally.answers_given, crowd.schedule.left, crowd.tally.items_unknown) == (2, 4, 1)


async def test_a_replay_that_is_started_again_goes_on(live, requester, folder):
    for text in ITEMS.values():
        await requester.post(text, assignments=3)
    links = [link for _, link in await requester.invite(4)]
    await play(live, read_recording(folder, withhold=2), links)
    assert len(await requester.answers()) == 4
    crowd = await play(live, read_recording(folder), links)
    assert (len(await requester.answers()), crowd.tally.answers_given, crowd.schedule.left) == (6, 2, 0)


async def test_a_label_that_the_page_does_not_offer_ends_the_replay(live, requester, tmp_path):
    (tmp_path / "labels.csv").write_text("task,worker,label\nt1,ann,purple\n")
    await requester.post("t1")
    with pytest.raises(RecordingError, match="does not offer 'purple'"):
        await play(live, read_recording(tmp_path), [link for _, link in await requester.invite(1)])


async def test_an_invitation_that_nobody_made_is_refused(live):
    async with open_connections() as connections:
        browser = Browser(live.url, f"{live.url}/worker/join/nonsense", connections, no_time)
        with pytest.raises(Refused, match="no such invitation"):
            await browser.groups()
        await browser.close()


async def test_the_command_line_replays_and_sums_up(live, requester, folder, tmp_path):
    for text in ITEMS.values():
        await requester.post(text, assignments=3)
    invitations = tmp_path / "invitations.txt"
    invitations.write_text("".join(link + "\n" for _, link in await requester.invite(4)))
    command = ["replay", str(folder), "--base", live.url, "--invitations", str(invitations), "--withhold", "1"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulation", *command, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    summary = json.loads(output.decode().splitlines()[-1])
    assert process.returncode == 0
    expected = {
        "event": "summary",
        "ended": "by itself",
        "answers_given": 5,
        "answers_recorded": 6,
        "answers_left": 0,
        "repeats_dropped": 1,
        "withheld": 1,
    }
    assert {name: summary[name] for name in expected} == expected


async def test_the_command_line_stops_cleanly_when_told(live, requester, tmp_path):
    await requester.post("item", assignments=1)
    (tmp_path / "invitations.txt").write_text("".join(link + "\n" for _, link in await requester.invite(3)))
    (tmp_path / "truth.json").write_text(json.dumps({"item": "yes"}))
    options = ["--base", live.url, "--invitations", str(tmp_path / "invitations.txt"), "--report-every", "0.05"]
    options += ["--truth", str(tmp_path / "truth.json"), "--labels", "3", "--speed", "1000", "--arrival", "0"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulation", "made-up", *options, stdout=asyncio.subprocess.PIPE
    )
    lines = []
    while not lines or not lines[-1]["answers_given"]:
        lines.append(json.loads(await asyncio.wait_for(process.stdout.readline(), 20)))
    process.terminate()
    rest, _ = await asyncio.wait_for(process.communicate(), 10)
    summary = json.loads(rest.decode().splitlines()[-1])
    assert (process.returncode, summary["event"], summary["ended"]) == (0, "summary", "told to stop")
    assert summary["answers_given"] == 1
