"""How far a job's workers agree: overall, by label value, by batch, over time, and where they do not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aggregation.agreement import Agreement, Measure, agreement, by_label, confused, disputed, specific
from service.store.answer_arrays import Counting

# A label value is rare with fewer answers than this share of an even one.
_RARE = 0.25
# A measure over so many label values keeps a matrix of their square for each sample of the bootstrap.
_MOST_LABELS_DRAWN = 50
_DRAWS = 200

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Figures = dict[str, Agreement]


@dataclass(frozen=True)
class LabelAgreement:
    """A label value: its answers, the items that have one, and how far workers agree on "this, or another"."""

    answers: int
    items: int
    share: float
    rare: bool
    specific: float | None
    alpha: Agreement


@dataclass(frozen=True)
class GroupAgreement:
    """A batch, or a window of time; `labels` has (answers, specific agreement) of each label value."""

    group: int
    figures: Figures
    labels: tuple[tuple[int, float | None], ...]


@dataclass(frozen=True)
class Dispute:
    """An item whose answers differ: how far, with the entropy of their shares in bits."""

    item: int
    disagreement: float
    entropy: float
    votes: tuple[int, ...]


@dataclass(frozen=True)
class Report:
    """All that is said of a job's agreement; groups in the order of their numbers, the rest the most notable first."""

    n_items: int
    n_answers: int
    overall: Figures
    labels: tuple[LabelAgreement, ...]
    batches: tuple[GroupAgreement, ...]
    windows: tuple[GroupAgreement, ...]
    confused: tuple[tuple[int, int, float, float], ...]
    disputed: tuple[Dispute, ...]


def report(
    answers: Counting, n_labels: int, batch: Ints, window: Ints, *, ordinal: bool, top: int, most_batches: int = 1000
) -> Report:
    """
    Measure the agreement of the answers that count; of a worker's answers to one item the last.

    Parameters
    ----------
    batch : (n_items,) int
        The number of each item's batch; below 0 is none, which is a group of its own beside others.
    window : (n_answers,) int
        The number of each answer's window of time. In a window, pairs of answers count that both fall into it.
    ordinal : bool
        Measure the ordinal alpha too: the label values stand in an order.
    top : int
        So many pairs of label values, and so many items.
    most_batches : int
        So many batches, those with the most items.
    """
    last = _last(answers)
    label = answers.label[last].astype(np.int64)
    numbers, row = np.unique(answers.item[last], return_inverse=True)
    votes = _votes(row, label, numbers.size, n_labels)
    draws = _DRAWS if n_labels <= _MOST_LABELS_DRAWN else 0
    measures: list[Measure] = ["alpha", "kappa", "ac1"]
    if ordinal:
        measures.append("ordinal_alpha")
    of_item = batch[numbers]
    of_answer, cells = np.unique(window[last] * np.int64(max(numbers.size, 1)) + row, return_inverse=True)
    in_window = _votes(cells, label, of_answer.size, n_labels)
    return Report(
        n_items=int(numbers.size),
        n_answers=int(label.size),
        overall={measure: agreement(votes, measure, draws=draws) for measure in measures},
        labels=tuple(_labels(votes, draws)),
        batches=tuple(_groups(votes, of_item, measures, draws, most_batches)) if (of_item >= 0).any() else (),
        windows=tuple(_groups(in_window, of_answer // max(numbers.size, 1), measures, draws)),
        confused=tuple(confused(votes)[:top]),
        disputed=tuple(_disputes(votes, numbers.astype(np.int64), top)),
    )


def _last(answers: Counting) -> Ints:
    """Return the places of the answers that no later one of their worker to their item supersedes."""
    key = answers.item.astype(np.int64) << 32 | answers.worker
    _, first = np.unique(key[::-1], return_index=True)
    return np.asarray(key.size - 1 - first, dtype=np.int64)


def _votes(row: Ints, label: Ints, n_rows: int, n_labels: int) -> Floats:
    cells = np.bincount(row.ravel() * n_labels + label, minlength=n_rows * n_labels)
    return cells.reshape(n_rows, n_labels).astype(np.float64)


def _labels(votes: Floats, draws: int) -> Iterable[LabelAgreement]:
    given, n_labels = votes.sum(axis=0), votes.shape[1]
    total = max(float(given.sum()), 1.0)
    for count, items, own, alpha in zip(
        given.tolist(), (votes > 0).sum(axis=0).tolist(), specific(votes), by_label(votes, draws=draws), strict=True
    ):
        share = count / total
        yield LabelAgreement(int(count), items, share, share < _RARE / n_labels, own, alpha)


def _groups(
    votes: Floats, group: Ints, measures: Iterable[Measure], draws: int, most: int | None = None
) -> Iterable[GroupAgreement]:
    """Measure groups of rows, (n_rows,), in the order of their numbers; of many the largest."""
    order = np.argsort(group, kind="stable")
    numbers, starts, sizes = np.unique(group[order], return_index=True, return_counts=True)
    for at in np.sort(np.argsort(-sizes, kind="stable")[:most]).tolist():
        number, own = int(numbers[at]), votes[order[starts[at] : starts[at] + sizes[at]]]
        figures: Figures = {measure: agreement(own, measure, draws=draws) for measure in measures}
        counts = own.sum(axis=0).astype(int).tolist()
        yield GroupAgreement(number, figures, tuple(zip(counts, specific(own), strict=True)))


def _disputes(votes: Floats, numbers: Ints, top: int) -> Iterable[Dispute]:
    rows, scores = disputed(votes, top)
    for row, score in zip(rows.tolist(), scores.tolist(), strict=True):
        counts = votes[row]
        share = counts[counts > 0] / counts.sum()
        entropy = float(-(share * np.log2(share)).sum())
        yield Dispute(int(numbers[row]), score, entropy, tuple(counts.astype(int).tolist()))
