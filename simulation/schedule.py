"""Which recorded worker does which HIT next: the file's order, as far as HITs and free workers allow."""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulation.pages import Question
    from simulation.recording import Recorded, Recording


@dataclass(frozen=True, slots=True)
class Turn:
    """One worker's turn at one HIT, with the recorded answers to its questions, in their order."""

    row: int
    worker: str
    hit: str
    answers: tuple[Recorded, ...]


class Schedule:
    """Deals out turns, never two at once to the same worker, and keeps the count of what was given.

    A HIT is for a worker who has an answer to each of its questions. A worker refused because the HIT is full
    waits until it is listed again.
    """

    def __init__(self, recording: Recording) -> None:
        self._pending = {(answer.task, answer.worker): answer for answer in recording.answers}
        self._of_task: dict[str, list[Recorded]] = defaultdict(list)
        for answer in recording.answers:
            self._of_task[answer.task].append(answer)
        self._tasks = recording.tasks_by_content
        self._hit_of: dict[str, str] = {}  # task to the HIT that shows it
        self._turns: dict[str, list[tuple[int, str, Turn]]] = defaultdict(list)  # per worker, a heap
        self._free: list[tuple[int, str]] = []  # a heap of (row, worker); may be out of date
        self._busy: set[str] = set()
        self._attended: set[str] = set()
        self._parked: dict[str, list[Turn]] = defaultdict(list)
        self.recorded = len(self._pending)

    @property
    def left(self) -> int:
        """Recorded answers not given yet."""
        return len(self._pending)

    def discover(self, hit: str, questions: Sequence[Question]) -> bool:
        """Learn what a HIT shows; false where it shows something that nobody recorded an answer to."""
        tasks = [self._task_shown(question, hit) for question in questions]
        known = [task for task in tasks if task is not None]
        if not known or len(known) < len(tasks):
            return False
        for answer in self._of_task[known[0]]:
            answers = tuple(self._pending.get((task, answer.worker)) for task in known)
            given = tuple(answer for answer in answers if answer is not None)
            if len(given) == len(known):
                self._offer(Turn(min(one.row for one in given), answer.worker, hit, given))
        return True

    def list_again(self, hit: str) -> None:
        """Learn that a HIT is open, so that those it had no room for may try again."""
        for turn in self._parked.pop(hit, ()):
            self._offer(turn)

    def try_again(self) -> None:
        """Offer the turns again that found no room, in case a HIT that the reader is not shown was opened."""
        for hit in list(self._parked):
            self.list_again(hit)

    def take(self) -> Turn | None:
        """Deal the earliest turn whose worker is free; None where there is none.

        A HIT that another worker is at just now is passed over: its count of places is one row in any database,
        and those who queue for it would hold up the rest.
        """
        passed_over = []
        dealt = None
        while self._free and dealt is None:
            row, worker = heapq.heappop(self._free)
            turns = self._turns[worker]
            if worker in self._busy or not turns or turns[0][0] != row:
                continue  # out of date
            turn = turns[0][2]
            if any((answer.task, worker) not in self._pending for answer in turn.answers):
                heapq.heappop(turns)  # given through another HIT
                self._release(worker)
            elif turn.hit in self._attended:
                passed_over.append((row, worker))
            else:
                heapq.heappop(turns)
                self._busy.add(worker)
                self._attended.add(turn.hit)
                dealt = turn
        for entry in passed_over:
            heapq.heappush(self._free, entry)
        return dealt

    def given(self, turn: Turn) -> None:
        """Note that the worker's answers are with the marketplace."""
        for answer in turn.answers:
            self._pending.pop((answer.task, turn.worker), None)
        self._end(turn)
        self._release(turn.worker)

    def refused(self, turn: Turn, *, full: bool) -> None:
        """Note that the HIT was not to be had: for now, if it is full, or else for good."""
        if full:
            self._parked[turn.hit].append(turn)
        self._end(turn)
        self._release(turn.worker)

    def failed(self, turn: Turn) -> None:
        """Note that the turn came to nothing through nobody's fault; it is dealt again."""
        self._end(turn)
        self._offer(turn)

    def _end(self, turn: Turn) -> None:
        self._busy.discard(turn.worker)
        self._attended.discard(turn.hit)

    def _offer(self, turn: Turn) -> None:
        heapq.heappush(self._turns[turn.worker], (turn.row, turn.hit, turn))
        self._release(turn.worker)

    def _release(self, worker: str) -> None:
        if worker not in self._busy and self._turns[worker]:
            heapq.heappush(self._free, (self._turns[worker][0][0], worker))

    def _task_shown(self, question: Question, hit: str) -> str | None:
        """Find the task that a question shows; of tasks that look the same, one without a HIT yet."""
        content = question.recognise(self._tasks)
        if content is None:
            return None
        tasks = self._tasks[content]
        task = next((task for task in tasks if task not in self._hit_of), tasks[0])
        self._hit_of.setdefault(task, hit)
        return task
