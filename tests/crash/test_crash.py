"""Kill -9 at every named point, of processes apart and of all in one, against a market that misbehaves."""

from __future__ import annotations

import pytest

from tests.crash.campaign import one_job
from tests.crash.points import ALL
from tests.processes.conftest import folder, free_port  # noqa: F401 - the fixture

# All in one, every death takes everything with it; a point of each kind is enough to see that this is no different.
IN_ONE = [
    *(f"stage.{stage}.saving" for stage in ("slice", "publish", "collect", "infer", "decide", "settle", "deliver")),
    *(
        f"market.{call}.after"
        for call in ("create_hit", "extend_hit", "approve", "worker_of", "give_qualification", "delete_hit")
    ),
    "outbox.sending",
    "outbox.saved",
    "marketplace.externalSubmit.after",
    "api.launch.saving",
]

pytestmark = pytest.mark.xdist_group("crash")


def hit(report) -> set[str]:
    return {str(one["point"]) for one in report.hits}


def assert_killed_at_random(report) -> None:
    assert any(kill.crowd for kill in report.random_kills), "some while everybody was at work"
    assert not all(kill.crowd for kill in report.random_kills), "some before"


async def test_nothing_is_lost_or_paid_twice_wherever_a_process_dies(
    service_dsn: str,
    marketplace_dsn: str,
    folder,  # noqa: F811
) -> None:
    ports = (free_port(), free_port())
    report = await one_job(folder, (service_dsn, marketplace_dsn), ports, seed=1, n_items=16, every=3.0)
    assert report.discrepancies == []
    assert_killed_at_random(report)
    assert hit(report) == ALL, "each point was hit"
    assert {str(one["process"]) for one in report.hits} == {"serve", "work", "marketplace"}


async def test_all_in_one_process_it_is_no_different_at_named_points_and_random_moments(
    service_dsn: str,
    folder,  # noqa: F811
) -> None:
    port = free_port()
    dsns, ports = (service_dsn, service_dsn), (port, port)
    report = await one_job(folder, dsns, ports, seed=2, n_items=10, only=IN_ONE, every=2.0)
    assert report.discrepancies == []
    assert_killed_at_random(report)
    assert hit(report) == set(IN_ONE)


async def test_an_outbox_that_forgets_what_it_sent_is_caught(
    service_dsn: str,
    marketplace_dsn: str,
    folder,  # noqa: F811
) -> None:
    only, ports = ["market.create_hit.after"], (free_port(), free_port())
    dsns = (service_dsn, marketplace_dsn)
    report = await one_job(folder, dsns, ports, seed=3, n_items=6, only=only, broken_outbox=True, interfering=False)
    assert any("stands on the market 2 times" in sentence for sentence in report.discrepancies), report.discrepancies
