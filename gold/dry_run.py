"""Try rules on a job's history before they are switched on: who would be suspended, when, and at what error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from gold.operating import characteristic
from gold.rescore import Infer, rescore

if TYPE_CHECKING:
    from aggregation.arrays import Bools
    from gold.ask import AskPolicy
    from gold.evidence import Answers
    from gold.sequential import Rules

ACCURACIES = (0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


class WouldSuspend(Struct, frozen=True, kw_only=True):
    """One worker that the rules would have suspended, by which answer and when; `answers_after` would not have come."""

    worker: int
    submitted: int
    assignment: int
    gold_right: int
    gold_total: int
    answers_before: int
    answers_after: int
    reason: str


class DryRun(Struct, frozen=True, kw_only=True):
    """
    What rules would have done.

    Attributes
    ----------
    n_judged
        Workers with an answer.
    base_rate
        Share of bad workers that the history implies.
    expected_wrong
        At most so many good workers are among the suspended, in expectation: the rules' rate times those judged.
    error
        Accuracy and the chance that gold alone suspends a worker of it over the gold horizon.

    """

    n_judged: int
    base_rate: float
    suspended: tuple[WouldSuspend, ...]
    expected_wrong: float
    error: tuple[tuple[float, float], ...]


def dry_run(
    answers: Answers,
    accepted: Bools,
    n_workers: int,
    rules: Rules,
    infer: Infer,
    *,
    policy: AskPolicy | None = None,
) -> DryRun:
    """Judge a history by rules, whatever people said; see `rescore.rescore` for the arguments."""
    scoring = rescore(answers, accepted, n_workers, rules, infer, policy=policy)
    ordered, standing = scoring.answers, scoring.standing
    order = np.argsort(ordered.worker, kind="stable")
    ends = np.cumsum(np.bincount(ordered.worker, minlength=n_workers))
    found = []
    for worker in np.flatnonzero(standing.suspended_by >= 0).tolist():
        at = int(standing.suspended_by[worker])
        rows = order[ends[worker - 1] if worker else 0 : ends[worker]]
        before = rows[rows <= at]
        gold = before[standing.is_gold[before]]
        found.append(
            WouldSuspend(
                worker=worker,
                submitted=int(ordered.submitted[at]),
                assignment=int(ordered.assignment[at]),
                gold_right=int(accepted[ordered.item[gold], ordered.label[gold]].sum()),
                gold_total=int(gold.size),
                answers_before=int(before.size),
                answers_after=int(rows.size - before.size),
                reason=scoring.reason(worker),
            )
        )
    n_labels, judged = accepted.shape[1], int(np.unique(ordered.worker).size)
    return DryRun(
        n_judged=judged,
        base_rate=standing.base_rate,
        suspended=tuple(sorted(found, key=lambda one: (one.submitted, one.assignment))),
        expected_wrong=judged * rules.wrongly_suspended,
        error=tuple(
            (
                accuracy,
                float(characteristic(accuracy, n_labels, rules, rules.gold_horizon, round_up=True).suspended[-1]),
            )
            for accuracy in ACCURACIES
        ),
    )
