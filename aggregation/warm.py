"""Compile every kernel once and leave the machine code in the cache: ``python -m aggregation.warm``."""

from __future__ import annotations

import warnings

from aggregation import METHODS, ConvergenceWarning, LabelTable, aggregate


def warm() -> None:
    """Run each method on a table of two items."""
    table = LabelTable.from_arrays([0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 1, 0], n_labels=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for method in METHODS:
            aggregate(table, method=method)


if __name__ == "__main__":
    warm()
