"""The worker report of a job: the figures of all of its workers, to be filtered, sorted, and shown a few at a time."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from gold.drift import Drift
from gold.reliability import Reliability, reliability
from gold.trust import believe
from service.store.answer_arrays import BEGINNING
from service.store.worker_facts import WorkerFacts, WorkerRow
from service.worker_view import Change, Part, State

INTERVAL: Final = 0.9
# Points of a worker's figures over time.
_PARTS: Final = 12
# Bytes of a worker's row and of a change, with the texts in them, measured.
_ROW_BYTES: Final = 800

Sort: TypeAlias = Literal[
    "first_seen",
    "answers",
    "gold_low",
    "quality",
    "expected_cost",
    "spammer_score",
    "agreement",
    "active_seconds",
    "seconds_per_answer",
    "pay",
    "pay_per_hour",
    "cost_per_right",
]
_SORTED_BY: Final[Mapping[str, str]] = {
    "pay": "pay_cents",
    "pay_per_hour": "pay_per_hour_cents",
    "cost_per_right": "cost_per_right_cents",
}
Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class WorkerReport:
    """The figures of all workers of a job.

    Attributes
    ----------
    workers : list of WorkerRow
        By number; a worker's place is that in this list.
    told : Reliability
        By the workers' numbers.
    labels : list of str
        The job's label values.
    run_id : str or None
        The last run.
    ended, assignment_no : (n_assignments,) int64
        When each assignment was handed in, in microseconds, and the store's number of it.
    """

    workers: list[WorkerRow]
    told: Reliability
    labels: list[str]
    run_id: str | None
    ended: Ints
    assignment_no: Ints

    @classmethod
    def of(cls, facts: WorkerFacts, labels: Sequence[str]) -> WorkerReport:
        """Compute everything; takes about two seconds for a million answers, so not on an event loop."""
        told = reliability(facts.work, facts.belief, facts.n_workers, labels)
        return cls(facts.workers, told, list(labels), facts.run_id, facts.work.ended, facts.assignment_no)

    @property
    def size(self) -> int:
        """About how many bytes it takes to keep this."""
        arrays = [self.ended, self.assignment_no]
        for part in (self.told, self.told.gold, self.told.series):
            arrays += [value for value in vars(part).values() if isinstance(value, np.ndarray)]
        told = sum(one.nbytes for one in {id(one): one for one in arrays}.values())
        return told + _ROW_BYTES * (len(self.workers) + len(self.told.drift)) + sys.getsizeof(self.workers)

    @cached_property
    def numbers(self) -> Ints:
        """The workers' numbers, by place."""
        return np.array([row.worker_no for row in self.workers], dtype=np.int64)

    @cached_property
    def states(self) -> npt.NDArray[np.str_]:
        """The workers' states of trust, by place."""
        return np.array([row.state for row in self.workers], dtype=np.str_)

    @cached_property
    def drift(self) -> dict[int, list[Drift]]:
        """The changes of each worker who has any, by number."""
        found: dict[int, list[Drift]] = {}
        for one in self.told.drift:
            found.setdefault(one.worker, []).append(one)
        return found

    @cached_property
    def figures(self) -> dict[str, npt.NDArray[Any]]:
        """The figures of all workers by the names that tables give them, (n_workers,) each, by number.

        Counts are int64; what is not known of the others is NaN.
        """
        told, gold = self.told, self.told.gold
        believed = believe(gold.right, gold.total)
        low, high = believed.interval(INTERVAL)
        figures = {
            "answers": told.answers,
            "assignments": told.assignments,
            "rejected": told.rejected,
            "active_seconds": told.seconds,
            "seconds_per_answer": np.where(told.timed > 0, told.seconds / np.maximum(told.timed, 1), np.nan),
            "gold_right": gold.right,
            "gold_total": gold.total,
            "gold_mean": believed.mean,
            "gold_low": low,
            "gold_high": high,
            "expected_cost": told.expected_cost,
            "quality": told.quality,
            "spammer_score": told.spammer_score,
            "agreement": told.agreement,
            "agreement_answers": told.compared,
            "expected_right": told.right,
            "judged": told.judged,
            "pay_cents": told.pay,
            "cost_cents": told.cost,
            "pay_per_hour_cents": told.pay_per_hour,
            "cost_per_right_cents": told.cost_per_right,
        }
        return {name: _finite(one) for name, one in figures.items()}

    def sorted_by(self, sort: Sort) -> Floats:
        """Return what workers are sorted by, by place; NaN where it is not known."""
        if sort == "first_seen":
            return self.numbers.astype(np.float64)
        figure = self.figures[_SORTED_BY.get(sort, sort)].astype(np.float64)
        if sort == "gold_low":  # without gold it is the prior's, and nothing is known
            figure = np.where(self.told.gold.total > 0, figure, np.nan)
        return figure[self.numbers]

    def chosen(self, *, state: State | None, drifting: bool | None, least_answers: int) -> Bools:
        """Say which workers a filter lets through, by place."""
        keep: Bools = self.told.answers[self.numbers] >= least_answers
        if state is not None:
            keep &= self.states == state
        if drifting is not None:
            keep &= np.isin(self.numbers, list(self.drift)) == drifting
        return keep

    def place_of(self, worker_id: str) -> int | None:
        """Return a worker's place."""
        return next((at for at, row in enumerate(self.workers) if row.worker_id == worker_id), None)

    def changes(self, number: int) -> list[Change]:
        """Return the changes in what a worker does."""
        return [
            Change(
                series=one.series,
                at=_time(self.ended[one.row]),
                assignment=int(self.assignment_no[one.row]),
                before=one.before,
                after=one.after,
                chance=one.adjusted,
                reason=one.reason,
            )
            for one in self.drift.get(number, ())
        ]

    def parts(self, place: int) -> list[Part]:
        """Cut a worker's answers into stretches of as many each, to be seen over time."""
        series = self.told.series
        rows = np.flatnonzero(series.worker == self.numbers[place])
        told = []
        for part in np.array_split(rows, max(1, min(_PARTS, rows.size // 5))):
            if not part.size:
                continue
            assignment = series.assignment[part]
            hit, ended = series.hit[part], self.ended[assignment]
            told.append(
                Part(
                    begins=_time(ended[0]),
                    ends=_time(ended[-1]),
                    answers=int(part.size),
                    gold_right=int(np.nansum(hit)),
                    gold_total=int(np.isfinite(hit).sum()),
                    agreement=_mean(series.shared[part]),
                    seconds_per_answer=_mean(series.seconds[np.unique(assignment)]),
                )
            )
        return told


def _finite(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Say of what is infinite that it is not known: no format of ours has a number for it."""
    return np.where(np.isfinite(values), values, np.nan) if values.dtype.kind == "f" else values


def _time(microseconds: np.int64) -> datetime:
    return BEGINNING + timedelta(microseconds=int(microseconds))


def _mean(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else None
