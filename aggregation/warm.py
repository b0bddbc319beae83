"""Compile every kernel once and leave the machine code in the cache: ``python -m aggregation.warm``."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from aggregation import METHODS, ConvergenceWarning, LabelTable, aggregate
from aggregation.lanes import MOST_LANES
from aggregation.table import LARGE

if TYPE_CHECKING:
    from collections.abc import Iterable

LEAST_DENSE = (MOST_LANES + 1) ** 2


def warm(labels: Iterable[int] = range(3, MOST_LANES + 2)) -> None:
    """Run each method on two items, then numbers of labels that have kernels of their own, and a large table."""
    arrays = [0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 1, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for method in METHODS:
            aggregate(LabelTable.from_arrays(*arrays, n_labels=2), method=method)
        many = np.arange(LARGE)
        # Out of order, and each answered twice.
        large = LabelTable.from_arrays(many[::-1] // 20, many % 10, many % 2, n_labels=2)
        aggregate(large, method="maximum_likelihood", accelerate=True, max_iter=3)
        for n_labels in labels:
            few = LabelTable.from_arrays(*arrays, n_labels=n_labels)
            aggregate(few)
            aggregate(few, method="hierarchical", max_iter=1)
        one = np.arange(LEAST_DENSE)  # answers enough that all rows of confusion are held, with more labels than lanes
        aggregate(LabelTable.from_arrays(one, one * 0, one % (MOST_LANES + 1), n_labels=MOST_LANES + 1), max_iter=1)


if __name__ == "__main__":
    warm()
