"""Worker agreement with aggregate: majority vote, with each answer weighed by its worker's agreement with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aggregation.majority import shares
from aggregation.result import TIE, Result, most_probable

if TYPE_CHECKING:
    from aggregation.arrays import Floats
    from aggregation.gold import Clamp
    from aggregation.prior import Prior
    from aggregation.table import LabelTable


def agreement(table: LabelTable, posterior: Floats) -> Floats:
    """
    Give the share of each worker's answers that the most probable labels agree with, (n_workers,).

    Where labels tie, each has its share of the agreement. Workers without answers have 0.
    """
    best = posterior >= posterior.max(axis=1, keepdims=True) - TIE if posterior.size else posterior > 0
    hit = (best / np.maximum(best.sum(axis=1, keepdims=True), 1))[table.item, table.label]
    answers = np.bincount(table.worker, minlength=table.n_workers)
    share: Floats = np.bincount(table.worker, hit, minlength=table.n_workers) / np.maximum(answers, 1)
    return share


def weighted_shares(table: LabelTable, clamp: Clamp, weight: Floats) -> tuple[Floats, Floats]:
    """
    Give each label's share of the weight of an item's answers, gold clamped, and the mean share.

    Items whose answers weigh nothing keep their plain shares.
    """
    posterior, prevalence = shares(table, clamp)
    cells = table.item * table.n_labels + table.label
    size = table.n_items * table.n_labels
    weighed = np.bincount(cells, weight[table.worker], minlength=size).reshape(posterior.shape)
    total = weighed.sum(axis=1)
    counted = total > 0
    posterior[counted] = weighed[counted] / total[counted, None]
    free = counted & ~clamp.known
    if free.any():
        prevalence = posterior[free].mean(axis=0)
        posterior[table.answers_per_item == 0] = prevalence
    return clamp.apply(posterior), prevalence


def wawa(table: LabelTable, clamp: Clamp, *, prior: Prior | None = None) -> Result:
    """Aggregate by majority vote weighed by agreement with it, and with ``prior`` by agreement in earlier jobs too."""
    posterior, _ = shares(table, clamp)
    weight = agreement(table, posterior)
    if prior is not None:
        prior.check(table.n_workers, table.n_labels)
        right, wrong = prior.accuracy_counts(table.n_workers)
        answers = np.bincount(table.worker, minlength=table.n_workers)
        weight = (weight * answers + right) / (answers + right + wrong)
    posterior, prevalence = weighted_shares(table, clamp, weight)
    return Result(
        posterior=posterior,
        labels=most_probable(posterior, prevalence),
        confusion=None,
        prevalence=prevalence,
        objective=np.zeros(0),
        n_iter=0,
        converged=True,
        method="wawa",
        params={} if prior is None else {"prior": prior.describe()},
    )
