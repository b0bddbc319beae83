"""The version of a job's facts by which worker reports are kept: one that did not change has one report."""

from __future__ import annotations

import hashlib

import pytest

from service.pipeline.engine import Engine
from service.store import worker_facts
from service.worker_columns import Columns
from service.worker_report import WorkerReport
from tests.pipeline import test_gate, test_trust_policy, test_way_of_the_data

LIVES = [
    test_gate.test_a_settled_label_that_rests_on_nothing_says_so_when_the_job_closes,
    test_trust_policy.test_who_tells_little_rests_while_others_work_and_is_called_back,
    test_gate.test_a_worker_who_is_believed_again_is_let_in_and_counts_again,
    test_way_of_the_data.test_what_somebody_rejected_on_the_market_carries_no_weight_and_is_not_paid,
]


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.__name__.removeprefix("test_"))
async def test_whatever_happens_in_a_job_changes_the_version_of_what_is_reported(house, monkeypatch, life):
    reports, changes = {}, 0
    run_stage = Engine._run_stage

    async def look(engine):
        nonlocal changes
        async with engine.service.pool.acquire() as conn:
            for job_no, n_labels in await conn.fetch("SELECT job_no, n_labels FROM job"):
                facts = await worker_facts.load(conn, job_no, n_labels=n_labels, reward_cents=5)
                report = WorkerReport.of(facts, [str(label) for label in range(n_labels)])
                columns = Columns(report, range(len(report.workers)))
                shown = [*columns.views(identify=True), *(row.reason for row in columns.rows)]
                shown += [report.parts(place) for place in columns.places]
                digest = hashlib.sha256(repr(shown).encode()).digest()
                changes += reports.get(job_no) != digest
                known = reports.setdefault((job_no, facts.version), digest)
                assert known == digest, f"after {len(reports)} versions"
                reports[job_no] = digest

    async def observed(engine, *args, **kwargs):
        await look(engine)
        ran = await run_stage(engine, *args, **kwargs)
        await look(engine)
        return ran

    monkeypatch.setattr(Engine, "_run_stage", observed)
    await life(house)
    assert changes > 5
