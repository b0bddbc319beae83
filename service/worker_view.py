"""A worker of a job as reports show them: every figure, in types that every format can carry."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

State: TypeAlias = Literal["probation", "trusted", "watched", "suspended"]


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
