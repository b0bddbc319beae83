"""The audit itself: a day without trouble is in order, and each kind of disorder is told in a sentence."""

from __future__ import annotations

import re

import asyncpg

from tests.books import books

DISORDER = {
    "assay": [
        ("UPDATE assignment SET raw = 'x' WHERE hit_no = 0", "other words than were handed in"),
        ("DELETE FROM answer WHERE slot = 1", "has 2 of 3 answers"),
        ("UPDATE item SET state = 'open', settled_by = NULL, settled_at = NULL", "has ended with 3 items left"),
        ("UPDATE effect SET state = 'parked', ended_at = NULL WHERE kind = 'approve'", r"\d effects left"),
        ("UPDATE job SET spent_cents = spent_cents - 1", "says 0 reserved and"),
        ("UPDATE assignment SET state = 'rejected' WHERE hit_no = 1", "rejected in the service and approved on the"),
        ("UPDATE hit SET market_hit_id = 'ELSEWHERE' WHERE hit_no = 1", "which the market does not say"),
    ],
    "marketplace": [
        ("UPDATE hit SET disposed_at = NULL", "is still on the market"),
        ("UPDATE requester SET available_cents = available_cents + 1", "do not add up: balances"),
        (
            "UPDATE assignment SET state = 'submitted', approved_at = NULL",
            "waits for its review, and its job has ended",
        ),
        ("UPDATE hit SET annotation = (SELECT min(annotation) FROM hit)", "stands on the market 2 times"),
    ],
}


async def test_each_kind_of_disorder_is_told(town):
    job = await town.job(
        items=["a 1", "b 2", "c 3"],
        gold=[("a g", [0]), ("b g", [1])],
        bundle={"items": 2, "gold": 1},
        redundancy={"minimum": 2, "maximum": 3},
    )
    await town.done(job)
    for (schema, changes), dsn in zip(DISORDER.items(), town.dsns, strict=True):
        for statement, sentence in changes:
            before = "\n".join(await books(*town.dsns))
            conn = await asyncpg.connect(dsn, server_settings={"search_path": schema})
            await conn.execute(statement)
            await conn.close()
            assert not re.search(sentence, before), "each statement tells of something new"
            assert re.search(sentence, "\n".join(await books(*town.dsns))), sentence
