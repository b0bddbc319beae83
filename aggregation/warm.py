"""Compile every kernel once and leave the machine code in the cache: ``python -m aggregation.warm``."""

from __future__ import annotations

import warnings

from aggregation import METHODS, ConvergenceWarning, LabelTable, aggregate
from aggregation.confusion import MOST_LANES


def warm() -> None:
    """Run each method on a table of two items, and one for each number of labels that has a kernel of its own."""
    arrays = [0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 1, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for method in METHODS:
            aggregate(LabelTable.from_arrays(*arrays, n_labels=2), method=method)
        for n_labels in range(3, MOST_LANES + 2):
            aggregate(LabelTable.from_arrays(*arrays, n_labels=n_labels))


if __name__ == "__main__":
    warm()
