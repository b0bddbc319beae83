"""How far workers agree, over HTTP, against figures worked out by hand and by brute force over pairs of answers."""

from __future__ import annotations

from itertools import combinations
from math import log2

import asyncpg
import pytest

from tests.api.conftest import Api, golds, items
from tests.api.facts import Facts

DAY = 86400
CAT, DOG, OTHER = 0, 1, 2


async def judged(api: Api) -> tuple[str, Facts, asyncpg.Connection]:
    """Make a job of six items, two in each of two batches, and one gold item; nobody has worked on it yet."""
    job_id = await api.job()
    batches = ["first", "first", "second", "second", None, None]
    lines = [line | ({"batch": batch} if batch else {}) for line, batch in zip(items(6), batches, strict=True)]
    assert (await api.upload(job_id, lines)).status_code == 200
    assert (await api.upload(job_id, golds(1), "gold")).status_code == 200
    conn = await api.service.pool.acquire()
    return job_id, await Facts.of(api, conn, job_id), conn


async def give(
    facts: Facts, hit: int, worker_no: int, labels: list[int | None], *, days: float = 0, state: str = "approved"
):
    given = [(item_no, label) for item_no, label in enumerate(labels) if label is not None]
    await facts.answers(hit, worker_no, given, later=DAY * days, state=state)


async def told(api: Api, job_id: str, **params: object):
    answer = await api("GET", f"/jobs/{job_id}/agreement", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
async def report(api: Api):
    """Three workers: the third on another day; the first changed their mind on item 5, and a fourth was rejected."""
    job_id, facts, conn = await judged(api)
    try:
        hit = await facts.hit(list(range(7)))
        one, two, three, four = [await facts.worker(f"A{number}") for number in range(4)]
        await give(facts, hit, one, [CAT, DOG, CAT, DOG, CAT, OTHER, CAT])
        await give(facts, hit, two, [CAT, DOG, DOG, CAT, CAT, DOG, DOG])
        await give(facts, hit, one, [None] * 5 + [DOG], days=1)
        await give(facts, hit, three, [CAT, DOG, OTHER, DOG, CAT, DOG], days=1)
        await give(facts, hit, four, [OTHER] * 6, state="rejected")
        yield api, job_id, conn, facts
    finally:
        await api.service.pool.release(conn)


ROWS = [[CAT] * 3, [DOG] * 3, [CAT, DOG, OTHER], [DOG, CAT, DOG], [CAT] * 3, [DOG] * 3]


def alpha(rows: list[list[int]]) -> float:
    """Krippendorff's alpha by its definition; all items have the same number of answers."""
    everything = [label for row in rows for label in row]
    seen = [a != b for row in rows for a, b in combinations(row, 2)]
    expected = [a != b for a, b in combinations(everything, 2)]
    return 1 - (sum(seen) / len(seen)) / (sum(expected) / len(expected))


async def test_figures_are_those_of_the_answers_that_count(report) -> None:
    api, job_id, _, _ = report
    found = await told(api, job_id)
    assert (found["items"], found["answers"], found["gold"]) == (6, 18, False)
    overall = found["measures"]
    assert overall.keys() == {"alpha", "kappa", "ac1"}
    assert overall["alpha"]["value"] == pytest.approx(alpha(ROWS))
    assert overall["alpha"]["low"] <= overall["alpha"]["value"] <= overall["alpha"]["high"]
    seen, shares = (4 + 0 + 1 / 3) / 6, [8 / 18, 9 / 18, 1 / 18]
    chance = sum(share * share for share in shares)
    assert overall["kappa"]["value"] == pytest.approx((seen - chance) / (1 - chance))
    chance = sum(share * (1 - share) for share in shares) / 2
    assert overall["ac1"]["value"] == pytest.approx((seen - chance) / (1 - chance))
    cat, dog, other = found["labels"]
    assert [(one["answers"], one["items"], one["rare"]) for one in (cat, dog, other)] == [
        (8, 4, False),
        (9, 4, False),
        (1, 1, True),
    ]
    assert cat["specific"] == pytest.approx(12 / 16), "12 of 16 times that one had it, another had it too"
    assert other["specific"] == 0
    assert dog["alpha"]["value"] == pytest.approx(alpha([[int(label == DOG) for label in row] for row in ROWS]))


async def test_batches_and_windows_stand_apart(report) -> None:
    api, job_id, _, _ = report
    found = await told(api, job_id)
    batches = {one["batch"]: one for one in found["batches"]}
    assert batches.keys() == {"first", "second", None}
    assert batches["first"]["measures"]["alpha"]["value"] == 1
    assert batches["second"]["measures"]["alpha"]["value"] == pytest.approx(alpha(ROWS[2:4]))
    assert batches["second"]["labels"]["other"] == {"answers": 1, "specific": 0}
    first, second = found["windows"]
    assert (first["start"], first["end"]) == ("2026-01-05T00:00:00Z", "2026-01-06T00:00:00Z")
    # On the first day item 5 has one answer that still counts, so two workers meet on five items.
    assert first["measures"]["alpha"]["items"] == 5
    assert first["measures"]["alpha"]["value"] == pytest.approx(
        alpha([[CAT, CAT], [DOG, DOG], [CAT, DOG], [DOG, CAT], [CAT, CAT]])
    )
    assert second["measures"]["alpha"]["value"] is None
    assert "same label" in second["measures"]["alpha"]["undefined"]
    assert second["measures"]["ac1"]["value"] == 1
    (week,) = (await told(api, job_id, window="week"))["windows"]
    assert week["start"] == "2026-01-05T00:00:00Z", "a Monday"
    assert week["measures"]["alpha"]["value"] == pytest.approx(alpha(ROWS))


async def test_what_is_confused_and_disputed_comes_first(report) -> None:
    api, job_id, _, _ = report
    found = await told(api, job_id)
    assert found["confused"][0]["labels"] == ["cat", "dog"]
    assert found["confused"][0]["share"] == pytest.approx(3 / 18)
    assert found["confused"][0]["ratio"] == pytest.approx((3 / 18) / (2 * 8 * 9 / (18 * 17)))
    worst, next_one = found["disputed"]
    assert (worst["external_id"], worst["answers"]) == ("item-2", {"cat": 1, "dog": 1, "other": 1})
    assert (worst["entropy"], worst["disagreement"]) == (pytest.approx(log2(3)), pytest.approx(3 / 5))
    assert next_one["external_id"] == "item-3"
    one = await told(api, job_id, top=1)
    assert (len(one["confused"]), len(one["disputed"])) == (1, 1)


async def test_gold_and_the_ordinal_alpha_are_there_for_who_asks(report) -> None:
    api, job_id, _, _ = report
    found = await told(api, job_id, gold=True, ordinal=True)
    assert (found["items"], found["answers"]) == (7, 20)
    assert "ordinal_alpha" in found["windows"][0]["measures"]
    assert "gold-0" in {one["external_id"] for one in found["disputed"]}


async def test_a_suspended_workers_answers_do_not_count(report) -> None:
    api, job_id, conn, facts = report
    await conn.execute(
        """UPDATE job_worker SET trust_state = 'suspended', void_from = '-infinity', void_assignment = '',
           void_slot = 0 WHERE job_no = $1 AND worker_no = 1""",
        facts.job_no,
    )
    found = await told(api, job_id)
    assert (found["answers"], found["measures"]["alpha"]["value"]) == (
        12,
        pytest.approx(alpha([[row[0], row[2]] for row in ROWS])),
    )


async def test_a_job_that_nobody_worked_on_says_why_there_is_no_figure(api: Api) -> None:
    found = await told(api, await api.job_with_items(2))
    assert (found["items"], found["windows"], found["batches"], found["disputed"]) == (0, [], [], [])
    assert "no item has two answers" in found["measures"]["alpha"]["undefined"]


@pytest.mark.parametrize("params", [{"window": "year"}, {"top": 0}, {"ordinal": "maybe"}, {"windows": "day"}])
async def test_what_cannot_be_asked_is_refused(api: Api, params: dict[str, object]) -> None:
    refused = await api("GET", f"/jobs/{await api.job()}/agreement", params=params)
    assert refused.status_code == 400, refused.text
    assert refused.json()["errors"][0]["field"] in params
