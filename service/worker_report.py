"""A job's workers as reports show them: every figure of each, in types that every format can carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from msgspec import UNSET, Meta, Struct, UnsetType

from gold.drift import Drift
from gold.reliability import Reliability, reliability
from gold.trust import Trust, believe
from service.store.answer_arrays import BEGINNING
from service.store.worker_facts import WorkerFacts, WorkerRow

INTERVAL = 0.9
# Points of a worker's figures over time.
_PARTS = 12

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
State: TypeAlias = Literal["probation", "trusted", "watched", "suspended"]
Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]


class GoldAccuracy(Struct, frozen=True):
    """What gold says of a worker: right answers of all, and what is believed of their accuracy."""

    right: int
    total: int
    mean: float
    low: Annotated[float, Meta(description="end of the central interval that holds the accuracy with a chance of 90%")]
    high: float


class LabelAccuracy(Struct, frozen=True):
    """The same where gold has this label; of gold that accepts several, a wrong answer counts for an even share."""

    label: str
    right: float
    total: float
    mean: float
    low: float
    high: float


class Confusion(Struct, frozen=True):
    """P(answer given true label): a row for each true label value, a column for each answered one."""

    labels: list[str]
    rows: list[list[float]]
    run: Annotated[str | None, Meta(description="the run that it, or the consensus that it is counted against, is of")]
    counted: Annotated[bool, Meta(description="counted against the consensus, as the run's method keeps no matrix")]


class Agreement(Struct, frozen=True):
    """How far others gave the same answers: the mean share of an item's other answers that are the same."""

    share: float | None
    answers: Annotated[int, Meta(description="answers to items that somebody else answered, on which it rests")]


class Change(Struct, frozen=True):
    """A change in what a worker does, found by the cumulative sum of a series beside its own mean."""

    series: Annotated[str, Meta(description="gold accuracy, agreement, time, or the share of a label value")]
    at: Annotated[datetime, Meta(description="when the assignment with which it begins was handed in")]
    assignment: int
    before: Annotated[float, Meta(description="the mean before it; of seconds the geometric one")]
    after: float
    chance: Annotated[float, Meta(description="so often would it be seen without a change, for all that was tested")]
    reason: str


class Worker(Struct, frozen=True, kw_only=True):
    """A worker in a job. Cents are of US dollars; what is not known is null."""

    worker: Annotated[str, Meta(description="Assay's own id of the worker")]
    market: str
    first_seen_at: datetime
    state: State
    state_by: Literal["policy", "person"]
    resting: bool
    answers: int
    assignments: int
    rejected: Annotated[int, Meta(description="assignments that were rejected")]
    active_seconds: float | None
    seconds_per_answer: float | None
    gold: GoldAccuracy
    gold_by_label: Annotated[list[LabelAccuracy], Meta(description="label values that the worker met gold of")]
    confusion: Confusion | None
    expected_cost: Annotated[
        float | None, Meta(description="of taking the worker's word, read for what it implies; a wrong label costs 1")
    ]
    quality: Annotated[float | None, Meta(description="1 is perfect, 0 tells nothing")]
    spammer_score: Annotated[float | None, Meta(description="0: answers do not depend on the item; 1: perfect")]
    agreement: Agreement
    expected_right: Annotated[
        float | None, Meta(description="right answers to items that are no gold, by the consensus")
    ]
    judged: Annotated[int, Meta(description="answers to items that are no gold and have a consensus")]
    pay_cents: Annotated[int, Meta(description="what went to the worker, without fees")]
    cost_cents: Annotated[int, Meta(description="the same with the market's fees")]
    pay_per_hour_cents: Annotated[float | None, Meta(description="of active time, over what was paid")]
    cost_per_right_cents: Annotated[
        float | None, Meta(description="fees and gold included; null too where no answer is expected to be right")
    ]
    drift: list[Change]
    market_worker_id: Annotated[
        str | UnsetType, Meta(description="personal data: only for keys with the scope workers:identify")
    ] = UNSET


class Part(Struct, frozen=True):
    """A stretch of a worker's answers, one after the other."""

    begins: datetime
    ends: datetime
    answers: int
    gold_right: int
    gold_total: int
    agreement: float | None
    seconds_per_answer: float | None


@dataclass(frozen=True, eq=False)
class WorkerReport:
    """The figures of all workers of a job.

    Attributes
    ----------
    told : Reliability
    labels : list of str
        The job's label values.
    identify : bool
        Whether the market's ids of workers are shown.
    """

    facts: WorkerFacts
    told: Reliability
    labels: list[str]
    identify: bool

    @classmethod
    def of(cls, facts: WorkerFacts, labels: Sequence[str], *, identify: bool) -> WorkerReport:
        """Compute everything; takes about two seconds for a million answers, so not on an event loop."""
        return cls(facts, reliability(facts.work, facts.belief, facts.n_workers, labels), list(labels), identify)

    @cached_property
    def numbers(self) -> npt.NDArray[np.int64]:
        """The workers' numbers, in their order."""
        return np.array([row.worker_no for row in self.facts.workers], dtype=np.int64)

    @cached_property
    def _gold(self) -> tuple[Floats, Floats, Floats]:
        return _distribution(believe(self.told.gold.right, self.told.gold.total))

    @cached_property
    def _drift(self) -> dict[int, list[Drift]]:
        found: dict[int, list[Drift]] = {}
        for one in self.told.drift:
            found.setdefault(one.worker, []).append(one)
        return found

    def figure(self, sort: Sort) -> Floats:
        """Return what workers are sorted by, in the order of `numbers`; NaN where it is not known."""
        told = self.told
        by_name: dict[Sort, npt.NDArray[Any]] = {
            "first_seen": np.arange(self.facts.n_workers),
            "answers": told.answers,
            "gold_low": np.where(told.gold.total > 0, self._gold[1], np.nan),
            "quality": told.quality,
            "expected_cost": told.expected_cost,
            "spammer_score": told.spammer_score,
            "agreement": told.agreement,
            "active_seconds": told.seconds,
            "seconds_per_answer": _over(told.seconds, told.timed),
            "pay": told.pay,
            "pay_per_hour": told.pay_per_hour,
            "cost_per_right": told.cost_per_right,
        }
        figures: Floats = by_name[sort][self.numbers].astype(np.float64)
        return np.where(np.isfinite(figures), figures, np.nan)

    def chosen(self, *, state: State | None, drifting: bool | None, least_answers: int) -> Bools:
        """Say which workers a filter lets through, in the order of `numbers`."""
        keep: Bools = self.told.answers[self.numbers] >= least_answers
        if state is not None:
            keep &= np.array([row.state == state for row in self.facts.workers], dtype=bool)
        if drifting is not None:
            keep &= np.array([(row.worker_no in self._drift) == drifting for row in self.facts.workers], dtype=bool)
        return keep

    def place_of(self, worker_id: str) -> int | None:
        """Return a worker's place in `numbers`."""
        return next((at for at, row in enumerate(self.facts.workers) if row.worker_id == worker_id), None)

    def view(self, place: int) -> Worker:
        """Show the worker at a place in `numbers`."""
        row, told = self.facts.workers[place], self.told
        at = row.worker_no
        mean, low, high = self._gold
        return Worker(
            worker=row.worker_id,
            market=row.market,
            first_seen_at=row.first_seen_at,
            state=row.state,  # type: ignore[arg-type]
            state_by=row.by,  # type: ignore[arg-type]
            resting=row.resting,
            answers=int(told.answers[at]),
            assignments=int(told.assignments[at]),
            rejected=int(told.rejected[at]),
            active_seconds=_known(told.seconds[at]),
            seconds_per_answer=_known(told.seconds[at] / told.timed[at]) if told.timed[at] else None,
            gold=GoldAccuracy(
                int(told.gold.right[at]), int(told.gold.total[at]), float(mean[at]), float(low[at]), float(high[at])
            ),
            gold_by_label=self._by_label(at),
            confusion=self._confusion(row),
            expected_cost=_known(told.expected_cost[at]),
            quality=_known(told.quality[at]),
            spammer_score=_known(told.spammer_score[at]),
            agreement=Agreement(_known(told.agreement[at]), int(told.compared[at])),
            expected_right=_known(told.right[at]),
            judged=int(told.judged[at]),
            pay_cents=int(told.pay[at]),
            cost_cents=int(told.cost[at]),
            pay_per_hour_cents=_known(told.pay_per_hour[at]),
            cost_per_right_cents=_known(told.cost_per_right[at]),
            drift=[self._change(one) for one in self._drift.get(at, ())],
            market_worker_id=row.market_worker_id if self.identify else UNSET,
        )

    def parts(self, place: int) -> list[Part]:
        """Cut a worker's answers into stretches of as many each, to be seen over time."""
        series, work = self.told.series, self.facts.work
        rows = np.flatnonzero(series.worker == self.numbers[place])
        told = []
        for part in np.array_split(rows, max(1, min(_PARTS, rows.size // 5))):
            if not part.size:
                continue
            assignment = series.assignment[part]
            hit, ended = series.hit[part], work.ended[assignment]
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

    def _by_label(self, at: int) -> list[LabelAccuracy]:
        gold = self.told.gold
        met = np.flatnonzero(gold.total_by_label[at] > 0)
        right, total = gold.right_by_label[at, met], gold.total_by_label[at, met]
        believed = believe(right, total)
        columns = [one.tolist() for one in (met, right, total, *_distribution(believed))]
        return [LabelAccuracy(self.labels[label], *figures) for label, *figures in zip(*columns, strict=True)]

    def _confusion(self, row: WorkerRow) -> Confusion | None:
        matrix = self.told.confusion[row.worker_no]
        if np.isnan(matrix[0, 0]):
            return None
        counted = bool(self.told.counted[row.worker_no])
        return Confusion(self.labels, matrix.tolist(), self.facts.run_id if counted else row.run_id, counted)

    def _change(self, one: Drift) -> Change:
        return Change(
            series=one.series,
            at=_time(self.facts.work.ended[one.row]),
            assignment=int(self.facts.assignment_no[one.row]),
            before=one.before,
            after=one.after,
            chance=one.adjusted,
            reason=one.reason,
        )


def _distribution(believed: Trust) -> tuple[Floats, Floats, Floats]:
    """Give mean, low and high end of what is believed."""
    return believed.mean, *believed.interval(INTERVAL)


def _time(microseconds: np.int64) -> datetime:
    return BEGINNING + timedelta(microseconds=int(microseconds))


def _known(value: np.float64) -> float | None:
    return float(value) if np.isfinite(value) else None


def _mean(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else None


def _over(value: Floats, size: npt.NDArray[np.int64]) -> Floats:
    each: Floats = np.where(size > 0, value / np.maximum(size, 1), np.nan)
    return each
