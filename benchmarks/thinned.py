"""Recorded sets with less in them: what a smaller crowd, fewer answers or fewer items would have left."""

from __future__ import annotations

import numpy as np

from aggregation import LabelTable
from aggregation.arrays import Ints

# Shares of the answers, workers or items that are kept.
KINDS = {"fewer answers": 0.4, "some answers": 0.7, "half the workers": 0.5, "fewer items": 0.3}


def thinned(table: LabelTable, truth: Ints, kind: str, seed: int) -> tuple[LabelTable, Ints]:
    """
    Keep a share of a table, drawn at random; give its answers, and the truth of the items that still have some.

    Parameters
    ----------
    truth : (n_items,) int

    """
    rng, share = np.random.default_rng([list(KINDS).index(kind), seed]), KINDS[kind]
    if kind == "half the workers":
        kept = (rng.random(table.n_workers) < share)[table.worker]
    elif kind == "fewer items":
        kept = (rng.random(table.n_items) < share)[table.item]
    else:
        kept = rng.random(table.n_answers) < share
    items, item = np.unique(table.item[kept], return_inverse=True)
    workers, worker = np.unique(table.worker[kept], return_inverse=True)
    label = table.label[kept]
    fewer = LabelTable.from_arrays(item, worker, label, table.n_labels, n_items=items.size, n_workers=workers.size)
    return fewer, truth[items]
