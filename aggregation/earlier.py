"""What an earlier result says of a table: where a warm start begins.

Items and workers keep their numbers; new ones have the numbers behind. What a worker's confusion was says what the
answers mean now, so that items that came since are inferred as well as any; a result without confusion gives its
posterior.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aggregation.kernels import FLOOR
from aggregation.majority import shares

if TYPE_CHECKING:
    from aggregation.arrays import Bools, Floats
    from aggregation.gold import Clamp
    from aggregation.result import Result
    from aggregation.table import LabelTable


def posterior_from(earlier: Result, table: LabelTable, clamp: Clamp) -> Floats:
    """
    Infer a table by what an earlier result learnt, gold clamped, (n_items, n_labels).

    Items of which it says nothing have the shares of their answers.

    Raises
    ------
    ValueError
        The result is over other label values.

    """
    if earlier.prevalence.size != table.n_labels:
        raise ValueError(
            f"start is a result over {earlier.prevalence.size} label values, and this table has {table.n_labels}"
        )
    posterior, _ = shares(table, clamp)
    if earlier.confusion is None:
        known = min(earlier.posterior.shape[0], table.n_items)
        posterior[:known] = earlier.posterior[:known]
        return clamp.apply(posterior)
    inferred, told = _by_confusion(earlier.confusion, earlier.prevalence, table)
    posterior[told] = inferred[told]
    return clamp.apply(posterior)


def _by_confusion(confusion: Floats, prevalence: Floats, table: LabelTable) -> tuple[Floats, Bools]:
    """Infer items, (n_items, n_labels), and say which were answered by a worker who was there before."""
    met = table.worker < confusion.shape[0]
    item, worker, label = table.item[met], table.worker[met], table.label[met]
    logs = np.tile(np.log(np.maximum(prevalence, FLOOR)), (table.n_items, 1))
    for k in range(table.n_labels):
        weights = np.log(np.maximum(confusion[worker, k, label], FLOOR))
        logs[:, k] += np.bincount(item, weights, minlength=table.n_items)
    odds = np.exp(logs - logs.max(axis=1, keepdims=True, initial=-np.inf))
    return odds / odds.sum(axis=1, keepdims=True), np.bincount(item, minlength=table.n_items) > 0
