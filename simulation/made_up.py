"""A made-up crowd at work: each worker looks for a HIT, does it in its own way, and looks for the next."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulation.browser import Browser, Refused, TurnedAway, Unreachable
from simulation.crowd import Pace, Tally

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulation.browser import Task
    from simulation.pages import Question, WorkPage
    from simulation.traits import Worker

POLL_SECONDS = 1.0
GIVE_BACK_SECONDS = 2.0


class LabelMismatchError(Exception):
    """The page offers other label values than the crowd was made for."""


@dataclass(slots=True)
class MadeUpCrowd:
    """Made-up workers, and what the crowd alone knows: the truth of each item by what is visible of it.

    Attributes
    ----------
    truths
        Visible content of an item to the text of its true label value.
    patience
        Real seconds without work after which a worker leaves; None for a crowd that waits until told to stop.
    """

    truths: Mapping[str, str]
    pace: Pace = field(default_factory=Pace)
    patience: float | None = None
    tally: Tally = field(default_factory=Tally)

    async def live(self, worker: Worker, browser: Browser) -> None:
        """Live one worker's life at the site, from arrival to departure."""
        taste = random.Random(worker.name)  # noqa: S311 - which HIT catches the eye is no secret
        await self.pace.pass_time(worker.traits.arrives)
        self.tally.workers_active += 1
        waited, cut_off = 0.0, False
        while not worker.has_left and (self.patience is None or waited < self.patience):
            try:
                if cut_off:
                    await self._take_up(worker, browser)
                    cut_off = False
                found = await self._do_a_hit(worker, browser, taste)
            except TurnedAway as refused:
                self.tally.workers_turned_away += 1
                self.tally.trouble = str(refused)
                break
            except Refused:
                self.tally.hits_refused += 1
                found = False
            except Unreachable as trouble:
                self.tally.trouble = str(trouble)
                found, cut_off = False, True
            waited = 0.0 if found else waited + POLL_SECONDS
            if not found:
                await self.pace.wait(POLL_SECONDS)
        self.tally.workers_active -= 1
        await browser.close()

    async def _do_a_hit(self, worker: Worker, browser: Browser, taste: random.Random) -> bool:
        """Find a HIT and deal with it; false where there is none."""
        groups = await browser.groups()
        if not groups:
            return False
        async for links in browser.hits(taste.choice(groups).link):
            if links:
                break
        else:
            return False
        preview = await browser.preview(taste.choice(links))
        task = await browser.accept(preview.accept)
        try:
            await self._deal_with(worker, browser, task)
        except asyncio.CancelledError:
            with contextlib.suppress(Refused, Unreachable, TimeoutError):
                async with asyncio.timeout(GIVE_BACK_SECONDS):
                    await browser.give_back(task)
            raise
        worker.finish_hit()
        return True

    async def _take_up(self, worker: Worker, browser: Browser) -> None:
        """Go on with what was accepted when the site could no longer be reached."""
        for task in await browser.held():
            await self._deal_with(worker, browser, task)
            worker.finish_hit()

    async def _deal_with(self, worker: Worker, browser: Browser, task: Task) -> None:
        work = await browser.read(task.frame)
        intention = worker.intention()
        if intention == "give_back":
            await browser.give_back(task)
            self.tally.hits_returned += 1
        elif intention == "walk_off":
            self.tally.hits_left_lying += 1
        else:
            answers = self._answers(worker, work)
            await self.pace.pass_time(worker.active_seconds(len(work.questions)))
            await browser.submit(work, answers)
            self.tally.hits_submitted += 1
            self.tally.answers_given += len(answers)

    def _answers(self, worker: Worker, work: WorkPage) -> dict[str, str]:
        return {question.name: self._answer(worker, question) for question in work.questions}

    def _answer(self, worker: Worker, question: Question) -> str:
        labels = list(question.choices)
        content = question.recognise(self.truths)
        if content is None:
            self.tally.items_unknown += 1
            truth = None
        elif (true := self.truths[content]) in question.choices:
            truth = labels.index(true)
        else:
            raise LabelMismatchError(f"the page does not offer {true!r}; it offers {', '.join(labels)}")
        if len(labels) != worker.traits.n_labels:
            raise LabelMismatchError(
                f"the page offers {len(labels)} label values, and the crowd was made for {worker.traits.n_labels}"
            )
        return question.choices[labels[worker.answer(truth, content or "")]]
