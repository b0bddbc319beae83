"""Reports that many ask for at once: made once for all who asked before, few at a time, and never from older facts."""

from __future__ import annotations

import asyncio

import pytest

from service.sharing import Sharing


class Work:
    """Work that counts how often it began and how much goes on, and ends when it is let."""

    def __init__(self) -> None:
        self.begun, self.going, self.most = 0, 0, 0
        self.end = asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        number = self.begun
        self.going += 1
        self.most = max(self.most, self.going)
        await self.end.wait()
        self.going -= 1
        return number


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_asks_before_work_begins_shares_it_and_nobody_gets_what_began_before() -> None:
    share, work = Sharing(1), Work()
    first = asyncio.create_task(share("a", work))
    await turns()
    later = [asyncio.create_task(share("a", work)) for _ in range(9)]
    await turns()
    work.end.set()
    assert (await first, await asyncio.gather(*later), work.begun) == (1, [2] * 9, 2)
    assert await share("a", work) == 3, "nothing is kept"


async def test_few_go_on_at_once_whatever_is_asked_for() -> None:
    share, work = Sharing(2), Work()
    asked = [asyncio.create_task(share(key, work)) for key in range(10)]
    await turns()
    assert work.going == 2
    work.end.set()
    await asyncio.gather(*asked)
    assert (work.begun, work.most) == (10, 2)


async def test_who_goes_away_stops_it_for_nobody_else_and_a_failure_is_everybodys() -> None:
    share, work = Sharing(1), Work()
    busy = asyncio.create_task(share("a", work))
    await turns()
    gone, stays = (asyncio.create_task(share("b", work)) for _ in range(2))
    await turns()
    gone.cancel()
    await turns()
    work.end.set()
    assert (await busy, await stays) == (1, 2)

    async def fail() -> None:
        raise ValueError("no facts")

    both = [asyncio.create_task(share("c", fail)) for _ in range(2)]
    for one in both:
        with pytest.raises(ValueError, match="no facts"):
            await one
    assert await share("c", work) == 3, "it is free again"
