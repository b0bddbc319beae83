"""A recorded crowd at work: every worker gives, to the items that it answered, the answers that it gave.

Who knows which HIT shows which item? One reader, a worker like the others, looks at every HIT of the site and keeps
a map from what is visible to the HIT's link; the others ask the map. Nothing but the site's pages is read.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulation.browser import Browser, Refused, Unreachable
from simulation.crowd import Pace, Tally
from simulation.recording import RecordingError
from simulation.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simulation.pages import WorkPage
    from simulation.recording import Recording
    from simulation.schedule import Turn

HANDS = 16
"""Turns under way at once."""
PREVIEWS = 8
SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 4.0
MOST_TROUBLE = 20


@dataclass(slots=True)
class Replay:
    """Recorded workers, each with a browser, and a reader.

    Attributes
    ----------
    patience
        Real seconds without a new HIT or a given answer after which there is nothing left to wait for; None to
        wait until told to stop.
    """

    recording: Recording
    browsers: Mapping[str, Browser]
    reader: Browser
    pace: Pace = field(default_factory=Pace)
    patience: float | None = 60.0
    tally: Tally = field(default_factory=Tally)
    schedule: Schedule = field(init=False)
    _accept: dict[str, str] = field(default_factory=dict, init=False)
    _news: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _over: bool = field(default=False, init=False)
    _under_way: int = field(default=0, init=False)
    _trouble: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.schedule = Schedule(self.recording)
        self.tally.workers_active = len(self.browsers)

    async def read(self) -> None:
        """Look for HITs again and again, until all answers are given or patience is at an end."""
        waited, pause = 0.0, SHORTEST_PAUSE
        while self.schedule.left:
            before = self.tally.hits_seen, self.schedule.left
            try:
                await self._look_around()
            except Unreachable as trouble:
                self._note(trouble)
            await self.pace.wait(pause)
            seen, left = before
            pause = SHORTEST_PAUSE if self.tally.hits_seen != seen else min(2 * pause, LONGEST_PAUSE)
            if self._under_way or (self.tally.hits_seen, self.schedule.left) != (seen, left):
                waited = 0.0
                continue
            waited += pause
            if self.patience is not None and waited >= self.patience:
                break
            self.schedule.try_again()
            self._news.set()
        self._over = True
        self._news.set()

    async def lend_a_hand(self) -> None:
        """Do turns until there are none to come; several hands work at once."""
        while not self._over and self.schedule.left:
            self._news.clear()
            turn = self.schedule.take()
            if turn is None:
                await self._news.wait()
                continue
            self._under_way += 1
            await self._do(turn)
            self._under_way -= 1
            self._news.set()

    async def close(self) -> None:
        """Close all browsers."""
        for browser in {*self.browsers.values(), self.reader}:
            await browser.close()

    async def _look_around(self) -> None:
        for group in await self.reader.groups():
            async for links in self.reader.hits(group.link):
                unseen = [link for link in links if link not in self._accept]
                for first in range(0, len(unseen), PREVIEWS):
                    await asyncio.gather(*map(self._look_at, unseen[first : first + PREVIEWS]))
                for link in links:
                    self.schedule.list_again(link)
                self._news.set()

    async def _look_at(self, link: str) -> None:
        try:
            preview = await self.reader.preview(link)
            work = await self.reader.read(preview.frame)
        except Refused:
            return  # taken between the list and the look; it comes back to the list if it is opened again
        self._accept[link] = preview.accept
        self.tally.hits_seen += 1
        if not self.schedule.discover(link, work.questions):
            self.tally.items_unknown += 1

    async def _do(self, turn: Turn) -> None:
        browser = self.browsers[turn.worker]
        try:
            task = await browser.accept(self._accept[turn.hit])
            work = await browser.read(task.frame)
            await browser.submit(work, self._answers(turn, work))
        except Refused as refused:
            if refused.reason == "done":
                self.schedule.given(turn)  # before this crowd was started again
                return
            self.tally.hits_refused += 1
            self.tally.trouble = str(refused)
            self.schedule.refused(turn, full=refused.reason == "full")
        except Unreachable as trouble:
            self._note(trouble)
            self.schedule.failed(turn)
        else:
            self._trouble = 0
            self.tally.hits_submitted += 1
            self.tally.answers_given += len(turn.answers)
            self.schedule.given(turn)

    def _answers(self, turn: Turn, work: WorkPage) -> dict[str, str]:
        """Fill the page in: to each question the recorded label of what it shows."""
        tasks = self.recording.tasks_by_content
        filled = {}
        for question, recorded in zip(work.questions, turn.answers, strict=True):
            if recorded.task not in tasks[question.recognise(tasks) or ""]:
                raise RecordingError(f"the HIT of task {recorded.task!r} shows something else than it did before")
            if recorded.label not in question.choices:
                offered: Sequence[str] = list(question.choices)
                raise RecordingError(
                    f"task {recorded.task!r}: the page does not offer {recorded.label!r}; it offers {offered}"
                )
            filled[question.name] = question.choices[recorded.label]
        return filled

    def _note(self, trouble: Unreachable) -> None:
        self.tally.trouble = str(trouble)
        self._trouble += 1
        if self._trouble > MOST_TROUBLE:
            raise trouble
