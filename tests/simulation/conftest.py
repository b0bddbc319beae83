"""A live marketplace for crowds, with the service's own work pages posted to it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from defusedxml.ElementTree import fromstring

from marketplace.store import workers
from service.spec import Bundle, Choice, Show, Spec
from service.workpage.choice import question_xml
from tests.marketplace.conftest import live, signing_time

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["live", "signing_time"]


async def no_time(seconds: float) -> None:
    """Let others go on, and no time pass."""
    del seconds
    await asyncio.sleep(0)


class Requester:
    """Posts HITs as the service does, and reads back who answered what."""

    def __init__(self, live: Any, labels: Sequence[str]) -> None:
        self._live = live
        self._spec = Spec(
            name="test",
            task=Choice("Which?", tuple(labels), (Show("text"), Show("picture", "image"))),
            reward="0.01",
            budget="10.00",
            bundle=Bundle(items=1),
        )
        self._posted: dict[str, list[str]] = {}

    async def invite(self, number: int) -> list[tuple[str, str]]:
        """Invite workers; returns (worker id, link) pairs."""
        async with self._live.marketplace.pool.acquire() as conn:
            made = await workers.invite(conn, names=[""] * number, now=self._live.clock.now())
        return [(worker_id, f"{self._live.url}/worker/join/{token}") for worker_id, token in made]

    async def post(self, *texts: str, assignments: int = 1) -> str:
        """Post a HIT that shows these texts; one that begins with data: is shown as a picture."""
        payloads = [{"picture" if text.startswith("data:") else "text": text} for text in texts]
        question = question_xml(self._spec, payloads)
        hit = await self._live.create_hit(Question=question, MaxAssignments=assignments, Reward="0.01")
        self._posted[hit["HITId"]] = list(texts)
        return hit["HITId"]

    async def answers(self) -> dict[tuple[str, str], str]:
        """Read (text, worker id) -> text of the label answered, over all HITs."""
        found = {}
        for hit_id, texts in self._posted.items():
            listed = await self._live.call("list_assignments_for_hit", HITId=hit_id, MaxResults=100)
            for assignment in listed["Assignments"]:
                root = fromstring(assignment["Answer"])
                given = {node[0].text: node[1].text for node in root}
                for number, text in enumerate(texts, start=1):
                    label = self._spec.task.labels[int(given[f"q{number}"])]
                    found[text, assignment["WorkerId"]] = label
        return found


@pytest.fixture
def requester(live: Any) -> Requester:
    return Requester(live, ["no", "yes", "maybe"])
