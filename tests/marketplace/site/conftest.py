"""A person at the worker site: a browser without scripts, and what the tests post there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from selectolax.lexbor import LexborHTMLParser

from marketplace.store import workers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PASSWORD = "four plain words together"


@dataclass
class Person:
    """Someone with a browser; `get` and `post` do not follow redirects, `follow` does."""

    live: Any
    worker_id: str
    token: str
    http: httpx.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.AsyncClient(base_url=self.live.url)

    async def get(self, path: str, **given: Any) -> httpx.Response:
        return await self.http.get(path, **given)

    async def follow(self, path: str) -> httpx.Response:
        return await self.http.get(path, follow_redirects=True)

    async def post(self, path: str, csrf: str | None = None, **fields: str) -> httpx.Response:
        token = await self.csrf() if csrf is None else csrf
        return await self.http.post(path, data={"csrf": token, **fields})

    async def csrf(self) -> str:
        return field_of((await self.get("/worker")).text, "csrf")

    async def join(self) -> Person:
        path = f"/worker/join/{self.token}"
        token = field_of((await self.get(path)).text, "csrf")
        joined = await self.post(path, token, password=PASSWORD, again=PASSWORD)
        assert joined.status_code == 303, joined.text
        return self

    async def sign_in(self, password: str = PASSWORD, **fields: str) -> httpx.Response:
        token = field_of((await self.get("/worker/sign-in")).text, "csrf")
        return await self.post("/worker/sign-in", token, worker=self.worker_id, password=password, **fields)

    async def accept(self, hit_id: str) -> str:
        """Accept a HIT and return the assignment's id."""
        accepted = await self.post(f"/worker/hits/{hit_id}/accept")
        assert accepted.status_code == 303, accepted.text
        return accepted.headers["location"].rpartition("/")[2]


def field_of(html: str, name: str) -> str:
    return LexborHTMLParser(html).css_first(f"input[name={name}]").attributes["value"]


def heading(response: httpx.Response) -> str:
    return LexborHTMLParser(response.text).css_first("h1").text()


class People:
    """Makes persons with an invitation each."""

    def __init__(self, live: Any) -> None:
        self._live = live
        self._made: list[Person] = []

    async def invite(self, name: str = "") -> Person:
        async with self._live.marketplace.pool.acquire() as conn:
            [(worker_id, token)] = await workers.invite(conn, names=[name], now=self._live.clock.now())
        self._made.append(Person(self._live, worker_id, token))
        return self._made[-1]

    async def close(self) -> None:
        for person in self._made:
            await person.http.aclose()


@pytest.fixture
async def people(live: Any) -> AsyncIterator[People]:
    made = People(live)
    yield made
    await made.close()


@pytest.fixture
async def ann(people: People) -> Person:
    return await (await people.invite("Ann")).join()


@pytest.fixture
async def bob(people: People) -> Person:
    return await (await people.invite("Bob")).join()
