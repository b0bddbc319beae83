"""The compiled inner loops: fused expectation and counting over a block of items, and maximisation.

They release the interpreter's lock and hold no state, so blocks run on ordinary threads. numba's own
threading layers are not used: the one that is always there aborts the process when two threads enter it, and
none survives a fork.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from aggregation import lanes
from aggregation.compiler import compiled

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from aggregation.arrays import Bools, Floats, Ints

    Array = npt.NDArray[Any]

# The least count that an estimate is made from, so that its logarithm is finite. crowd-kit has the same.
FLOOR = 1e-10


@compiled
def find_cells(first: int, last: int, worker: Array, label: Array, n_labels: int, cells: Array) -> None:
    """Say of some answers in which row of all workers' confusion they are: a row is a worker's answered label."""
    for a in range(first, last):
        cells[a] = worker[a] * n_labels + label[a]


@compiled
def tally(
    first: int,
    last: int,
    offsets: Ints,
    cells: Array,
    clamp: Array,
    posterior: Floats,
    counts: Floats,
    class_counts: Floats,
    gold_only: bool,
) -> None:
    """Count the answers of a block of items by (expected) true label, each in the row that ``cells`` says."""
    n_labels = class_counts.size
    counts[...] = 0.0
    class_counts[...] = 0.0
    for i in range(first, last):
        if gold_only and clamp[i] < 0:
            continue
        if clamp[i] < 0 and offsets[i] < offsets[i + 1]:
            for k in range(n_labels):
                class_counts[k] += posterior[i, k]
        for a in range(offsets[i], offsets[i + 1]):
            cell = counts[cells[a]]
            for k in range(n_labels):
                cell[k] += posterior[i, k]


@compiled
def vote(
    first: int,
    last: int,
    offsets: Ints,
    label: Array,
    clamp: Array,
    accepted: Bools,
    posterior: Floats,
    class_counts: Floats,
) -> None:
    """Set the shares of each label among a block's answers, gold clamped, and sum them over items that are not gold."""
    n_labels = class_counts.size
    class_counts[...] = 0.0
    for i in range(first, last):
        row = posterior[i]
        row[:] = 0.0
        begin, end = offsets[i], offsets[i + 1]
        gold = clamp[i]
        for a in range(begin, end):
            if gold < 0 or accepted[gold, label[a]]:
                row[label[a]] += 1.0
        total = row.sum()
        for k in range(n_labels):
            if total > 0.0:
                row[k] /= total
            elif gold >= 0:
                row[k] = 1.0 / accepted[gold].sum() if accepted[gold, k] else 0.0
            if gold < 0:
                class_counts[k] += row[k]


@functools.cache
def choose_for(n_labels: int) -> Callable[..., None]:
    """Make the kernel that picks the most probable label of items: of those within ``tie``, the first of most rank."""
    return _choose_in_lanes(n_labels) if n_labels <= lanes.MOST_LANES else _choose_in_arrays


def _choose_in_lanes(size: int) -> Callable[..., None]:
    @compiled
    def choose(first: int, last: int, posterior: Floats, rank: Floats, tie: float, labels: Ints) -> None:
        ranks = lanes.load(size, rank, np.uintp(0))
        for i in range(np.uintp(first), np.uintp(last)):
            row = lanes.load(size, posterior, i)
            tied = lanes.at_least(row, lanes.largest(row) - tie, ranks)
            labels[i] = lanes.find(tied, lanes.largest(tied))

    return choose


@compiled
def _choose_in_arrays(first: int, last: int, posterior: Floats, rank: Floats, tie: float, labels: Ints) -> None:
    for i in range(first, last):
        top = posterior[i, 0]
        for k in range(1, rank.size):
            top = max(top, posterior[i, k])
        least = top - tie
        chosen = -1
        for k in range(rank.size):
            if posterior[i, k] >= least and (chosen < 0 or rank[k] > rank[chosen]):
                chosen = k
        labels[i] = chosen
