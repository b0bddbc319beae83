"""Reports that many ask for: made once for all who ask, few at a time, kept in bounds, and never from older facts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from service.sharing import Keeping, Made, Sharing


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


class Facts:
    """Facts that change, and reports of them that take ten bytes each."""

    def __init__(self) -> None:
        self.version = 0
        self.made: list[str] = []

    def of(self, job: str) -> Callable[[], Awaitable[Made[str]]]:
        async def make() -> Made[str]:
            version = self.version
            await turns()
            self.made.append(f"{job}{version}")
            return Made(version, f"{job}{version}", 10)

        return make


async def test_what_is_kept_is_given_until_the_facts_change() -> None:
    keep, facts = Keeping(Sharing(2), 100), Facts()
    first = asyncio.create_task(keep("a", 0, facts.of("a")))
    await turns()
    others = [asyncio.create_task(keep("a", 0, facts.of("a"))) for _ in range(9)]
    assert {await first, *await asyncio.gather(*others), await keep("a", 0, facts.of("a"))} == {"a0"}
    assert facts.made == ["a0"], "those who read the same version share it once it is begun, too"
    facts.version = 1
    assert [await keep("a", 1, facts.of("a")) for _ in range(2)] == ["a1", "a1"]
    facts.version = 2
    assert await keep("a", 1, facts.of("a")) == "a1", "whoever has read an older version gets what is of it"
    assert facts.made == ["a0", "a1"]


async def test_what_changed_while_it_was_asked_for_is_kept_as_what_it_is() -> None:
    keep, facts = Keeping(Sharing(1), 100), Facts()
    facts.version = 1
    assert await keep("a", 0, facts.of("a")) == "a1"
    assert (await keep("a", 1, facts.of("a")), facts.made) == ("a1", ["a1"])


async def test_what_was_not_asked_for_the_longest_goes_first_and_what_is_too_large_is_not_kept() -> None:
    keep, facts = Keeping(Sharing(1), 25), Facts()
    for job in ("a", "b", "a", "c", "a", "b"):
        assert await keep(job, 0, facts.of(job)) == f"{job}0"
    assert facts.made == ["a0", "b0", "c0", "b0"]
    small = Keeping(Sharing(1), 9)
    assert [await small("d", 0, facts.of("d")) for _ in range(2)] == ["d0", "d0"]
    assert facts.made[4:] == ["d0", "d0"]


async def test_a_failure_is_not_kept() -> None:
    keep, facts = Keeping(Sharing(1), 100), Facts()

    async def fail() -> Made[str]:
        raise ValueError("no facts")

    with pytest.raises(ValueError, match="no facts"):
        await keep("a", 0, fail)
    assert await keep("a", 0, facts.of("a")) == "a0"
