"""The compiled step of expectation for rows of confusion that do not fit into one register.

A row is cut into pieces that do. A piece is gone through with all answers to an item before the next one is, so that it
stays in its register; loops over rows in memory would write it there for each answer.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from aggregation import lanes
from aggregation.compiler import compiled
from aggregation.confusion import BUNDLE, SMALL
from aggregation.lanes import MOST_LANES as PIECE

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from aggregation.arrays import Floats, Ints

    Array = npt.NDArray[Any]


@functools.cache
def expect_for(n_labels: int) -> Callable[..., tuple[float, float]]:
    """Make what infers a block of items and counts its answers in one pass, as `confusion.expect_for` has it."""
    expect: Callable[..., tuple[float, float]] = _expect
    room = lanes.width(n_labels)

    def expect_with_rows(*given: Any) -> tuple[float, float]:
        return expect(*given, np.zeros(room), np.zeros(room))

    return expect_with_rows


@compiled
def multiplied(row: Any, piece: Any, begin: Any, end: Any, cells: Array, weights: Floats, pieces: Any) -> Any:
    """Multiply a piece of a row by those of some answers."""
    for a in range(begin, end):
        row = lanes.multiply(row, lanes.load(PIECE, weights, np.uintp(cells[a]) * pieces + piece))
    return row


@compiled
def bundled(row: Floats, begin: Any, end: Any, cells: Array, weights: Floats, pieces: Any) -> Any:
    """Weigh an item with many answers, so that the largest weight is 1; give the logarithm of what that was."""
    for piece in range(pieces):
        logs = lanes.log(lanes.load(PIECE, row, piece))
        for first in range(begin, end, np.uintp(BUNDLE)):
            last = min(first + np.uintp(BUNDLE), end)
            product = multiplied(lanes.fill(PIECE, 1.0), piece, first, last, cells, weights, pieces)
            logs = lanes.add(logs, lanes.log(product))
        lanes.store(row, piece, logs)
    top = -math.inf
    for k in range(row.size):
        top = max(top, row[k])
    for k in range(row.size):
        row[k] = math.exp(row[k] - top)
    return top


@compiled
def _expect(
    first: int,
    last: int,
    offsets: Ints,
    cells: Array,
    clamp: Array,
    shares: Floats,
    prevalence: Floats,
    weights: Floats,
    posterior: Floats,
    counts: Floats,
    class_counts: Floats,
    keep: bool,
    row: Floats,
    sums: Floats,
) -> tuple[float, float]:
    """Infer and count; ``row`` and ``sums`` have the room of a row, to work in, and hold zeros."""
    n_labels, one = prevalence.size, np.uintp(1)
    pieces = np.uintp(row.size // PIECE)
    counts[...] = 0.0
    log_likelihood, likelihood, change = 0.0, 1.0, 0.0
    for i in range(np.uintp(first), np.uintp(last)):
        begin, end = np.uintp(offsets[i]), np.uintp(offsets[i + one])
        gold = clamp[i]
        for k in range(n_labels):
            row[k] = prevalence[k] if gold < 0 else shares[gold, k]
        left, total = begin, 0.0
        if end - begin > np.uintp(BUNDLE):
            log_likelihood += bundled(row, begin, end, cells, weights, pieces)
            left = end
        for piece in range(pieces):
            part = multiplied(lanes.load(PIECE, row, piece), piece, left, end, cells, weights, pieces)
            lanes.store(row, piece, part)
            total += lanes.total(part)
        if begin < end:
            if total < SMALL:
                log_likelihood += math.log(total)
            else:
                likelihood *= total
                if likelihood < SMALL:
                    log_likelihood += math.log(likelihood)
                    likelihood = 1.0
        for piece in range(pieces):
            part = lanes.load(PIECE, row, piece)
            if gold < 0:
                part = lanes.multiply(part, lanes.fill(PIECE, 1.0 / total))
                if begin < end:
                    lanes.accumulate(sums, piece, part)
            else:  # what is sure is exactly 1
                part = lanes.divide(part, lanes.fill(PIECE, total))
            lanes.store(row, piece, part)
            for a in range(begin, end):
                lanes.accumulate(counts, np.uintp(cells[a]) * pieces + piece, part)
        if keep:
            for k in range(n_labels):
                change = max(change, abs(row[k] - posterior[i, k]))
                posterior[i, k] = row[k]
    for k in range(n_labels):
        class_counts[k] = sums[k]
    return log_likelihood + math.log(likelihood), change
