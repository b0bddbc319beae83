"""Some workers of a report, a column for each figure: what tables are written from, and views of workers made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import UNSET

from gold.trust import believe
from service.store.worker_facts import WorkerRow
from service.worker_report import INTERVAL, Bools, Floats, Ints, WorkerReport
from service.worker_view import Agreement, Change, Confusion, GoldAccuracy, LabelAccuracy, Worker

# Those that a view of a worker has under the same name; the others stand in the parts of it.
_PLAIN = (
    "answers",
    "assignments",
    "rejected",
    "active_seconds",
    "seconds_per_answer",
    "expected_cost",
    "quality",
    "spammer_score",
    "expected_right",
    "judged",
    "pay_cents",
    "cost_cents",
    "pay_per_hour_cents",
    "cost_per_right_cents",
)


@dataclass(frozen=True, eq=False)
class Columns:
    """Figures of the workers at some places of a report, in their order.

    Each is worked out for all of them at once: worker by worker, a hundred thousand take many times as long.
    """

    report: WorkerReport
    places: Sequence[int]

    @cached_property
    def rows(self) -> list[WorkerRow]:
        """Who they are."""
        workers = self.report.workers
        return [workers[place] for place in self.places]

    @cached_property
    def numbers(self) -> Ints:
        """Their numbers."""
        return self.report.numbers[np.asarray(self.places, dtype=np.int64)]

    def figure(self, name: str) -> npt.NDArray[Any]:
        """Return one of the report's figures; NaN where it is not known."""
        values: npt.NDArray[Any] = self.report.figures[name][self.numbers]
        return values

    @cached_property
    def gold_by_label(self) -> dict[str, Floats]:
        """Right and all gold answers by label, and the accuracy that they imply, (n, n_labels); NaN without gold."""
        gold = self.report.told.gold
        total = gold.total_by_label[self.numbers]
        met = total > 0
        right = gold.right_by_label[self.numbers][met]
        believed = believe(right, total[met])
        low, high = believed.interval(INTERVAL)
        figures = {"right": right, "total": total[met], "mean": believed.mean, "low": low, "high": high}
        columns = {name: np.full(total.shape, np.nan) for name in figures}
        for name, values in figures.items():
            columns[name][met] = values
        return columns

    @cached_property
    def confusion(self) -> Floats:
        """The confusion matrices, (n, n_labels, n_labels); NaN where there is none."""
        return self.report.told.confusion[self.numbers]

    @cached_property
    def changes(self) -> list[list[Change]]:
        """What changed in the work of each."""
        return [self.report.changes(number) for number in self.numbers.tolist()]

    def views(self, *, identify: bool) -> list[Worker]:
        """Show each worker, with the market's id of them where it may be told."""
        plain = [known(self.figure(name)) for name in _PLAIN]
        gold = [known(self.figure(f"gold_{name}")) for name in GoldAccuracy.__struct_fields__]
        agreement = [known(self.figure(name)) for name in ("agreement", "agreement_answers")]
        return [
            Worker(
                worker=row.worker_id,
                market=row.market,
                first_seen_at=row.first_seen_at,
                state=row.state,
                state_by=row.by,
                resting=row.resting,
                gold=GoldAccuracy(*of_gold),
                gold_by_label=by_label,
                confusion=confusion,
                agreement=Agreement(*agreed),
                drift=drift,
                market_worker_id=row.market_worker_id if identify else UNSET,
                **dict(zip(_PLAIN, figures, strict=True)),
            )
            for row, of_gold, by_label, confusion, agreed, drift, figures in zip(
                self.rows,
                zip(*gold, strict=True),
                self._label_accuracies(),
                self._confusions(),
                zip(*agreement, strict=True),
                self.changes,
                zip(*plain, strict=True),
                strict=True,
            )
        ]

    def _label_accuracies(self) -> list[list[LabelAccuracy]]:
        columns, labels = self.gold_by_label, self.report.labels
        found: list[list[LabelAccuracy]] = [[] for _ in self.places]
        places, met = np.nonzero(~np.isnan(columns["total"]))
        figures = [columns[name][places, met].tolist() for name in LabelAccuracy.__struct_fields__[1:]]
        for place, label, *told in zip(places.tolist(), met.tolist(), *figures, strict=True):
            found[place].append(LabelAccuracy(labels[label], *told))
        return found

    def _confusions(self) -> list[Confusion | None]:
        counted: Bools = self.report.told.counted[self.numbers]
        labels, run_id = self.report.labels, self.report.run_id
        return [
            None if matrix is None else Confusion(labels, matrix, run_id if by_count else row.run_id, by_count)
            for matrix, by_count, row in zip(matrices(self.confusion), counted.tolist(), self.rows, strict=True)
        ]


def known(values: npt.NDArray[Any]) -> list[Any]:
    """Return figures as plain numbers; None where one is not known."""
    plain: list[Any] = values.tolist()
    return plain if values.dtype.kind != "f" else [None if one != one else one for one in plain]  # noqa: PLR0124 - NaN


def matrices(confusion: Floats) -> list[list[list[float]] | None]:
    """Return confusion matrices, (n, n_labels, n_labels), as lists of rows; None where there is none."""
    missing = np.isnan(confusion[:, 0, 0])
    return [None if bare else matrix for bare, matrix in zip(missing.tolist(), confusion.tolist(), strict=True)]
