"""One simulated job: made-up workers take bundles, the consensus is inferred, items settle, and a gate watches."""

from __future__ import annotations

import heapq
import warnings
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from aggregation import LabelTable, metrics
from aggregation.arrays import Bools, Floats, Ints
from aggregation.calibration import of_labels
from aggregation.dawid_skene import dawid_skene
from aggregation.gold import Clamp
from aggregation.result import ConvergenceWarning, Result
from aggregation.tempering import tempered
from gold.ask import AskPolicy, pick
from gold.evidence import Answers
from simulation.workers import population


@dataclass(frozen=True)
class Setting:
    """The job, the same for every arm. Gold is an answer like another, and costs as much."""

    n_items: int = 600
    n_workers: int = 30
    n_labels: int = 3
    n_gold: int = 120
    bundle: int = 5
    minimum: int = 3
    maximum: int = 12
    cents: float = 5.0
    every: int = 120  # answers between two runs of the consensus
    prevalence: tuple[float, ...] = (0.4, 0.3, 0.2, 0.1)


@dataclass(frozen=True, eq=False)
class View:
    """What a gate may see: all answers so far, the accepted labels of gold, and the latest consensus."""

    answers: Answers
    accepted: Bools
    n_workers: int
    result: Result | None
    in_consensus: Bools


class Gate(Protocol):
    """Decides how much gold a bundle carries, and who is suspended."""

    name: str

    def gold_for(self, worker: int, bundle: int, rng: np.random.Generator) -> int:
        """Say how many gold items go into a worker's next bundle."""
        ...

    def met_gold(self, worker: int, n_accepted: int, *, right: bool) -> bool:
        """Take in a gold answer just given; true where it suspends the worker at once."""
        ...

    def suspended(self, view: View) -> Bools:
        """Judge everybody anew, each time before the consensus is run."""
        ...

    def outside(self, view: View) -> Bools:
        """Say which answers the consensus is to do without, (n_answers,); asked just after `suspended`."""
        ...

    def resting(self, view: View) -> Bools:
        """Say who is given nothing new while others can do the work."""
        ...


@dataclass(frozen=True)
class Outcome:
    """What became of a job: accuracy (share), cents per item gold included, and what became of each worker."""

    accuracy: float
    cents_per_item: float
    gold_share: float
    kinds: tuple[str, ...]
    suspended: tuple[bool, ...]
    rested: tuple[bool, ...]
    golds: tuple[int, ...]


class Job:
    """A job under way. Crowd and items depend on the seed alone, so that all arms meet the same ones."""

    def __init__(self, setting: Setting, mix: dict[str, float], gate: Gate, target: float, seed: int) -> None:
        self.setting, self.gate, self.target, self.seed = setting, gate, target, seed
        s = setting
        self.crowd = population(mix, s.n_workers, s.n_labels, seed)
        draw = np.random.default_rng([seed, 1])
        prevalence = np.array(s.prevalence[: s.n_labels]) / sum(s.prevalence[: s.n_labels])
        self.truth = np.concatenate(
            [draw.choice(s.n_labels, s.n_items, p=prevalence), np.arange(s.n_gold) % s.n_labels]
        )
        self.rng = np.random.default_rng([seed, 2])
        self.accepted = np.zeros((self.truth.size, s.n_labels), dtype=bool)
        self.accepted[np.arange(s.n_items, self.truth.size), self.truth[s.n_items :]] = True
        self.rows: list[tuple[int, int, int]] = []  # item, worker, label
        self.seen = np.zeros((s.n_workers, self.truth.size), dtype=bool)
        self.count = np.zeros(self.truth.size, dtype=np.int64)
        self.allowed = np.full(self.truth.size, s.minimum)
        self.allowed[s.n_items :] = 0
        self.exposures = np.zeros(self.truth.size, dtype=np.int64)
        self.met = np.zeros((s.n_workers, s.n_labels))
        self.suspended = np.zeros(s.n_workers, dtype=bool)
        self.away = self.suspended
        self.outside = np.zeros(0, dtype=bool)
        self.result: Result | None = None
        self.queue = [(worker.traits.arrives, number) for number, worker in enumerate(self.crowd)]
        heapq.heapify(self.queue)
        self.idle: list[int] = []
        self.now, self.due, self.started = 0.0, s.every, -1

    def run(self) -> Outcome:
        """Run to the end: all items settled, or nobody left who can answer what is open."""
        while (self.queue and len(self.rows) < self.due) or self.judge():
            self.now, number = heapq.heappop(self.queue)
            self.take(number)
        return self.outcome()

    def judge(self) -> bool:
        """Judge the workers, infer, settle, and call back whoever may work; false at the end."""
        before, s = self.suspended, self.setting
        self.suspended = self.gate.suspended(self.view())
        self.outside = self.gate.outside(self.view())
        self.result, confidence = infer(self.view())
        view = self.view()
        self.away = self.suspended | self.gate.resting(view)
        self.count = np.bincount(view.answers.item[view.in_consensus], minlength=self.truth.size)
        is_open = (self.count < s.minimum) | ((confidence < self.target) & (self.count < s.maximum))
        self.allowed = np.where(is_open, np.maximum(s.minimum, self.count + 1), 0)
        self.allowed[s.n_items :] = 0
        wanted = self.allowed > self.count
        nothing_came = not self.queue and len(self.rows) == self.started and bool((before == self.suspended).all())
        self.started, self.due = len(self.rows), len(self.rows) + s.every
        everybody = self.queue + [(self.now, number) for number in self.idle]
        for away in (self.away, self.suspended):  # who rests is called where nobody else can answer what is open
            self.queue = [entry for entry in everybody if not away[entry[1]]]
            self.idle = [entry[1] for entry in everybody if away[entry[1]]]
            if (~self.seen[[number for _, number in self.queue]] & wanted).any():
                break
        heapq.heapify(self.queue)
        return bool(wanted.any()) and not nothing_came and bool(self.queue)

    def take(self, number: int) -> None:
        """Let a worker do a bundle."""
        s = self.setting
        free = np.flatnonzero((self.allowed > self.count) & ~self.seen[number])
        if not free.size:
            self.idle.append(number)
            return
        items = self.rng.choice(free, min(s.bundle, free.size), replace=False)
        bundle = self.rng.permutation(np.concatenate([items, self.pick_gold(number, items.size)]))
        for place in bundle.tolist():
            right = self.answer(number, place)
            if place >= s.n_items and self.gate.met_gold(number, 1, right=right):
                self.suspended = self.suspended | (np.arange(s.n_workers) == number)
                self.idle.append(number)
                return
        heapq.heappush(self.queue, (self.now + self.crowd[number].active_seconds(bundle.size), number))

    def answer(self, number: int, place: int) -> bool:
        """
        Let a worker answer an item; true where the answer is right.

        The draw is that of worker and item, whatever was asked before: arms differ by what they ask, not by luck.
        """
        worker = self.crowd[number]
        worker.rng = np.random.default_rng([self.seed, 3, number, place])
        label = worker.answer(int(self.truth[place]), f"{self.seed}-{place}")
        self.rows.append((place, number, label))
        self.seen[number, place] = True
        self.count[place] += place < self.setting.n_items
        return bool(label == self.truth[place])

    def pick_gold(self, number: int, bundle: int) -> Ints:
        """Pick a worker's gold; in every arm alike, none that they have met, and the labels in balance."""
        n, first = self.gate.gold_for(number, bundle, self.rng), self.setting.n_items
        if n == 0:
            return np.zeros(0, dtype=np.int64)
        seed = int(self.rng.integers(2**31))
        offered = self.accepted[first:], self.exposures[first:], self.seen[number, first:], self.met[number]
        gold = first + pick(*offered, AskPolicy(), n=n, seed=seed)
        self.exposures[gold] += 1
        np.add.at(self.met[number], self.truth[gold], 1)
        return gold

    def view(self) -> View:
        """Show what a gate may see."""
        item, worker, label = np.array(self.rows, dtype=np.int64).reshape(-1, 3).T
        place = np.arange(item.size)
        answers = Answers(item, worker, label, place, place)
        inside = np.ones(item.size, dtype=bool)
        inside[: self.outside.size] = ~self.outside
        return View(answers, self.accepted, self.setting.n_workers, self.result, inside)

    def outcome(self) -> Outcome:
        """Say what became of the job."""
        assert self.result is not None
        s, (item, worker, _) = self.setting, np.array(self.rows).T
        is_gold = item >= s.n_items
        right = metrics.hits(self.result.posterior[: s.n_items], self.truth[: s.n_items])
        return Outcome(
            accuracy=float(right.mean()),
            cents_per_item=s.cents * item.size / s.n_items,
            gold_share=float(is_gold.mean()),
            kinds=tuple(worker.traits.kind for worker in self.crowd),
            suspended=tuple(self.suspended.tolist()),
            rested=tuple((self.away & ~self.suspended).tolist()),
            golds=tuple(np.bincount(worker[is_gold], minlength=s.n_workers).tolist()),
        )


def infer(view: View) -> tuple[Result, Floats]:
    """Infer the consensus of the answers that count, gold clamped, and how sure it is."""
    result, table, clamp = fitted(view.answers.rows(view.in_consensus), view.accepted, view.n_workers, max_iter=60)
    return result, of_labels(tempered(table, clamp, result.posterior)[0], result.labels)


def fitted(
    answers: Answers, accepted: Bools, n_workers: int, *, start: Result | None = None, max_iter: int
) -> tuple[Result, LabelTable, Clamp]:
    """Fit Dawid and Skene's model, gold clamped."""
    n_items, n_labels = accepted.shape
    size = {"n_items": n_items, "n_workers": n_workers}
    table = LabelTable.from_arrays(answers.item, answers.worker, answers.label, n_labels, **size)
    clamp = Clamp.from_gold(accepted, n_items, n_labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        result = dawid_skene(table, clamp, start=start, tol=1e-2, max_iter=max_iter, accelerate=False, threads=1)
    return result, table, clamp
