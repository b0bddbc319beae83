"""The compiled step of expectation where weights are logarithms: for models that look beyond what a product can hold.

A row of states is cut into pieces of as many numbers as a register holds, and a last one of what is left; see
`long_rows`.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from aggregation import lanes
from aggregation.compiler import compiled
from aggregation.lanes import MOST_LANES as PIECE

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from aggregation.arrays import Bools, Floats, Ints

    Array = npt.NDArray[Any]

# Above this a product of sums is taken down as a logarithm; one sum is at most the number of states.
LARGE = 1e200


@compiled
def spread(accepted: Bools, row: Floats) -> None:
    """Set log probabilities that share one evenly over the accepted labels."""
    log_share = -math.log(accepted.sum())
    for k in range(row.size):
        row[k] = log_share if accepted[k] else -math.inf


@functools.cache
def expect_for(n_states: int) -> Callable[..., tuple[float, float]]:
    """Make what infers a block of items and counts its answers in one pass, for a number of states."""
    expect = _expect((n_states - 1) % PIECE + 1)

    def expect_with_rows(*given: Any) -> tuple[float, float]:
        return expect(*given, np.empty(n_states), np.zeros(n_states))

    return expect_with_rows


@compiled
def added(row: Any, place: Any, begin: Any, end: Any, cells: Array, log_confusion: Floats, n_states: Any) -> Any:
    """Add to a piece of a row those of some answers, which begin at ``place`` of each answer's row."""
    for a in range(begin, end):
        row = lanes.add(row, lanes.load_at(row, log_confusion, np.uintp(cells[a]) * n_states + place))
    return row


@compiled
def counted(row: Any, place: Any, begin: Any, end: Any, cells: Array, counts: Floats, n_states: Any) -> None:
    """Add a piece of a row to the counts of some answers."""
    for a in range(begin, end):
        lanes.accumulate_at(counts, np.uintp(cells[a]) * n_states + place, row)


@compiled
def kept(row: Any, place: Any, posterior: Floats, change: Any) -> Any:
    """Write a piece of a row down; give the largest change of each of its lanes."""
    before = lanes.load_at(row, posterior, place)
    lanes.store_at(posterior, place, row)
    return lanes.larger(change, lanes.absolute(lanes.subtract(row, before)))


@functools.cache
def _expect(tail: int) -> Callable[..., tuple[float, float]]:
    """
    Make the kernel for rows whose last piece has ``tail`` states.

    ``log_confusion`` and ``counts`` are (worker, answered label, state); a state is a true label, or one of several
    subtypes of it. ``cells``, (n_answers,), says in which row of them an answer is. ``row`` and ``sums``, (n_states,),
    are to work in, and ``sums`` holds zeros. The kernel returns the block's log likelihood and the largest change of a
    probability.
    """

    @compiled
    def expect(
        first: int,
        last: int,
        offsets: Ints,
        cells: Array,
        clamp: Array,
        accepted: Bools,
        log_prevalence: Floats,
        log_confusion: Floats,
        posterior: Floats,
        counts: Floats,
        class_counts: Floats,
        row: Floats,
        sums: Floats,
    ) -> tuple[float, float]:
        one, piece, n_states = np.uintp(1), np.uintp(PIECE), np.uintp(row.size)
        full = n_states - np.uintp(tail)
        counts[...] = 0.0
        log_likelihood, product = 0.0, 1.0
        change, tail_change = lanes.fill(PIECE, 0.0), lanes.fill(tail, 0.0)
        for i in range(np.uintp(first), np.uintp(last)):
            begin, end = np.uintp(offsets[i]), np.uintp(offsets[i + one])
            gold = clamp[i]
            start = log_prevalence
            if gold >= 0:
                spread(accepted[gold], row)
                start = row
            rest = added(lanes.load_at(tail, start, full), full, begin, end, cells, log_confusion, n_states)
            top = lanes.largest(rest)
            for place in range(np.uintp(0), full, piece):
                part = added(lanes.load_at(PIECE, start, place), place, begin, end, cells, log_confusion, n_states)
                lanes.store_at(row, place, part)
                top = max(top, lanes.largest(part))
            rest = lanes.exp(lanes.subtract(rest, lanes.fill(tail, top)))
            total = lanes.total(rest)
            for place in range(np.uintp(0), full, piece):
                part = lanes.exp(lanes.subtract(lanes.load_at(PIECE, row, place), lanes.fill(PIECE, top)))
                lanes.store_at(row, place, part)
                total += lanes.total(part)
            free = gold < 0 and begin < end
            if begin < end:
                log_likelihood += top
                product *= total
                if product > LARGE:
                    log_likelihood += math.log(product)
                    product = 1.0
            share = 1.0 / total
            rest = lanes.multiply(rest, lanes.fill(tail, share))
            tail_change = kept(rest, i * n_states + full, posterior, tail_change)
            counted(rest, full, begin, end, cells, counts, n_states)
            if free:
                lanes.accumulate_at(sums, full, rest)
            for place in range(np.uintp(0), full, piece):
                part = lanes.multiply(lanes.load_at(PIECE, row, place), lanes.fill(PIECE, share))
                change = kept(part, i * n_states + place, posterior, change)
                counted(part, place, begin, end, cells, counts, n_states)
                if free:
                    lanes.accumulate_at(sums, place, part)
        for k in range(row.size):
            class_counts[k] = sums[k]
        return log_likelihood + math.log(product), max(lanes.largest(change), lanes.largest(tail_change))

    return expect
