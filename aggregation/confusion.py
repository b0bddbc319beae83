"""Compiled steps of expectation where each worker has a confusion matrix; those of maximisation are in `maximisation`.

The weight of a true label is the product of its share and of the probabilities of the item's answers, so the inner
loop is one multiplication a label; logarithms are taken once for many items. So that no product leaves the range of
floating point, items with many answers are weighed in bundles of answers, with logarithms between.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from aggregation import lanes
from aggregation.compiler import compiled

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from aggregation.arrays import Floats, Ints

    Array = npt.NDArray[Any]

# The least weight. A bundle's product, with the share of a label, is then at least 1e-303, and normal.
LEAST = 1e-19
BUNDLE = 14
# Below this a product of likelihoods is taken down as a logarithm.
SMALL = 1e-100


@compiled
def bundled(start: Any, few: Any, begin: Any, end: Any, cells: Array, weights: Floats) -> Any:
    """Weigh an item with many answers; give its weights, of which the largest is 1, and the logarithm of that.

    ``start`` is a row of the weights' width, and ``few`` what of it are labels.
    """
    logs = lanes.log(few)
    for first in range(begin, end, np.uintp(BUNDLE)):
        row = lanes.fill(start, 1.0)
        for a in range(first, min(first + np.uintp(BUNDLE), end)):
            row = lanes.multiply(row, lanes.load(start, weights, np.uintp(cells[a])))
        logs = lanes.add(logs, lanes.log(lanes.narrow(few, row)))
    top = lanes.largest(logs)
    return lanes.widen(start, lanes.exp(lanes.subtract(logs, lanes.fill(few, top)))), top


@compiled
def pair(start: Any, a: Any, cells: Array, weights: Floats) -> Any:
    """Multiply the rows of two answers, of the width that ``start`` has."""
    return lanes.multiply(
        lanes.load(start, weights, np.uintp(cells[a])), lanes.load(start, weights, np.uintp(cells[a + np.uintp(1)]))
    )


@compiled
def count_pair(row: Any, a: Any, cells: Array, counts: Floats) -> None:
    """Add a row to the counts of two answers."""
    lanes.accumulate(counts, np.uintp(cells[a]), row)
    lanes.accumulate(counts, np.uintp(cells[a + np.uintp(1)]), row)


@functools.cache
def expect_for(n_labels: int) -> Callable[..., tuple[float, float]]:
    """
    Make the kernel that infers a block of items and counts its answers in one pass, for few labels.

    ``cells``, (n_answers,), says in which row of ``weights`` and ``counts`` an answer is: a row is a worker's answered
    label, and has a number for each true label. ``shares`` are those of the accepted labels of each gold item. Only
    where it is to ``keep`` the posterior is that written: of large tables a fifth of the time. The kernel returns the
    block's log likelihood and, of what it kept, the largest change of a probability.
    """
    one, three, size = np.uintp(1), np.uintp(3), lanes.width(n_labels)

    @compiled
    def expect(
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
    ) -> tuple[float, float]:
        counts[...] = 0.0
        start = lanes.widen(size, lanes.load(n_labels, prevalence, np.uintp(0)))
        sums = lanes.fill(size, 0.0)
        change = lanes.fill(n_labels, 0.0)
        log_likelihood, likelihood = 0.0, 1.0
        for i in range(np.uintp(first), np.uintp(last)):
            begin, end = np.uintp(offsets[i]), np.uintp(offsets[i + one])
            gold = clamp[i]
            row = start if gold < 0 else lanes.widen(size, lanes.load(n_labels, shares, np.uintp(gold)))
            answers = end - begin
            if answers == np.uintp(5):
                row = lanes.multiply(row, lanes.load(size, weights, np.uintp(cells[begin])))
                others = lanes.multiply(
                    pair(row, begin + one, cells, weights), pair(row, begin + three, cells, weights)
                )
                row = lanes.multiply(row, others)
            elif answers == three:
                row = lanes.multiply(row, lanes.load(size, weights, np.uintp(cells[begin])))
                row = lanes.multiply(row, pair(row, begin + one, cells, weights))
            elif answers <= np.uintp(BUNDLE):
                for a in range(begin, end):
                    row = lanes.multiply(row, lanes.load(size, weights, np.uintp(cells[a])))
            else:
                few = lanes.narrow(n_labels, row)
                row, top = bundled(row, few, begin, end, cells, weights)
                log_likelihood += top
            total = lanes.total(row)
            if begin < end:
                if total < SMALL:
                    log_likelihood += math.log(total)
                else:
                    likelihood *= total
                    if likelihood < SMALL:
                        log_likelihood += math.log(likelihood)
                        likelihood = 1.0
            if gold < 0:
                row = lanes.multiply(row, lanes.fill(size, 1.0 / total))
            else:  # what is sure is exactly 1; dividing a row takes four times as long
                row = lanes.divide(row, lanes.fill(size, total))
            if keep:
                new = lanes.narrow(n_labels, row)
                change = lanes.larger(change, lanes.absolute(lanes.subtract(new, lanes.load(n_labels, posterior, i))))
                lanes.store(posterior, i, new)
            if gold < 0 and begin < end:
                sums = lanes.add(sums, row)
            if answers == np.uintp(5):
                lanes.accumulate(counts, np.uintp(cells[begin]), row)
                count_pair(row, begin + one, cells, counts)
                count_pair(row, begin + three, cells, counts)
            elif answers == three:
                lanes.accumulate(counts, np.uintp(cells[begin]), row)
                count_pair(row, begin + one, cells, counts)
            else:
                for a in range(begin, end):
                    lanes.accumulate(counts, np.uintp(cells[a]), row)
        lanes.store(class_counts, np.uintp(0), lanes.narrow(n_labels, sums))
        return log_likelihood + math.log(likelihood), lanes.largest(change)

    return expect


@functools.cache
def vote_for(n_labels: int) -> Callable[..., None]:
    """Make the kernel that counts a block's answers by each label's share of the answers to the item, for few labels.

    ``accepted`` and ``shares`` are those of gold, whose other answers have no part in it.
    """
    one, size = np.uintp(1), lanes.width(n_labels)
    each = np.eye(n_labels, size)

    @compiled
    def vote(
        first: int,
        last: int,
        offsets: Ints,
        cells: Array,
        label: Array,
        clamp: Array,
        accepted: Floats,
        shares: Floats,
        counts: Floats,
        class_counts: Floats,
    ) -> None:
        counts[...] = 0.0
        sums = lanes.fill(size, 0.0)
        for i in range(np.uintp(first), np.uintp(last)):
            begin, end = np.uintp(offsets[i]), np.uintp(offsets[i + one])
            row = lanes.fill(size, 0.0)
            for a in range(begin, end):
                row = lanes.add(row, lanes.load(size, each, np.uintp(label[a])))
            if clamp[i] >= 0:
                row = lanes.multiply(row, lanes.widen(size, lanes.load(n_labels, accepted, np.uintp(clamp[i]))))
                if lanes.total(row) == 0.0:
                    row = lanes.widen(size, lanes.load(n_labels, shares, np.uintp(clamp[i])))
            row = lanes.multiply(row, lanes.fill(size, 1.0 / lanes.total(row)))
            if clamp[i] < 0 and begin < end:
                sums = lanes.add(sums, row)
            for a in range(begin, end):
                lanes.accumulate(counts, np.uintp(cells[a]), row)
        lanes.store(class_counts, np.uintp(0), lanes.narrow(n_labels, sums))

    return vote
