"""Kill -9 at every named point, of processes apart and of all in one, against a market that misbehaves."""

from __future__ import annotations

import pytest

from tests.crash.estate import Estate
from tests.crash.points import ALL
from tests.crash.story import end, interfere, launch
from tests.processes.conftest import folder, free_port  # noqa: F401 - the fixture

SECONDS = 300


@pytest.mark.xdist_group("crash")
async def test_nothing_is_lost_or_paid_twice_wherever_a_process_dies(
    service_dsn: str,
    marketplace_dsn: str,
    folder,  # noqa: F811
) -> None:
    estate = Estate(folder, service_dsn, marketplace_dsn, (free_port(), free_port()))
    async with estate.running(n_workers=6) as client:
        job_id = await launch(estate, client, n_items=24)
        await interfere(estate, client, job_id)
        await end(estate, client, job_id, seconds=SECONDS)
    assert await estate.audit() == []
    assert {point for point, _, _ in estate.book.hits()} == ALL
    print("\n".join(f"{point} killed {process} {pid}" for point, process, pid in estate.book.hits()))
