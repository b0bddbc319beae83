"""Group many answers by item, in time proportional to their number and on all cores.

Small tables do without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from aggregation.compiler import compiled
from aggregation.memory import empty
from aggregation.threads import Threads, cores

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from aggregation.arrays import Ints

    Array = npt.NDArray[Any]
    Grouped = tuple[Ints, npt.NDArray[np.int32], npt.NDArray[np.int16]]

# Items with more answers are sorted by a method that does not slow down as they grow.
FEW = 32
# So many are sorted without a branch that could be mistaken.
EIGHT = 8
# Comes after every key.
LAST = (1 << 63) - 1


def group(item: Array, worker: Array, label: Array, n_items: int, *, threads: int | None = None) -> Grouped:
    """
    Sort answers by item, then by worker, and keep the last of several that one worker gave to one item.

    Parameters
    ----------
    item, worker, label : (n,) int
        Numbers that are known to fit in 32, 32 and 16 bits.

    Returns
    -------
    offsets : (n_items + 1,) int64
    worker : (n_kept,) int32
    label : (n_kept,) int16

    """
    items, workers, labels = (_plain(item, np.int32), _plain(worker, np.int32), _plain(label, np.int16))
    n_threads = threads or cores()
    with Threads(n_threads) as crew:

        def each(function: Callable[[int, int, int], Any], cuts: Ints) -> list[Any]:
            return crew.map(function, range(cuts.size - 1), cuts[:-1].tolist(), cuts[1:].tolist())

        offsets = empty(n_items + 1, dtype=np.int64)
        even = np.linspace(0, items.size, n_threads + 1).astype(np.int64)
        if not all(each(lambda _, first, last: _find_changes(first, last, items, offsets), even)):
            places = np.zeros((n_threads, n_items), dtype=np.int32 if items.size < 1 << 31 else np.int64)
            each(lambda chunk, first, last: _count(first, last, items, places[chunk]), even)
            _place(places, offsets)
            given = workers, labels
            workers, labels = np.empty_like(workers), np.empty_like(labels)
            each(lambda chunk, first, last: _scatter(first, last, items, *given, places[chunk], workers, labels), even)
            del places, given
            workers, labels = _plain(workers, np.int32), _plain(labels, np.int16)
        sorted_workers, sorted_labels = empty(items.size, dtype=np.int32), empty(items.size, dtype=np.int16)
        kept = empty(n_items, dtype=np.int32)
        cuts = np.searchsorted(offsets, even)
        cuts[0], cuts[-1] = 0, n_items

        def arrange(_: int, first: int, last: int) -> int:
            rows = np.empty((2, max(_longest(first, last, offsets), EIGHT) + 1), dtype=np.int64)
            given = offsets, workers, labels, sorted_workers, sorted_labels, kept
            return _arrange(first, last, *given, rows[0], rows[1])

        n_kept = sum(each(arrange, cuts))
    if n_kept < items.size:
        closed = np.empty_like(offsets)
        _close_ranks(offsets, kept, sorted_workers, sorted_labels, closed)
        offsets = closed
        sorted_workers, sorted_labels = sorted_workers[:n_kept].copy(), sorted_labels[:n_kept].copy()
    return offsets, sorted_workers, sorted_labels


def _plain(values: Array, kind: type[Any]) -> Array:
    """Give a read-only view, or a copy where the type is another, so that kernels are compiled for one type each."""
    view = np.ascontiguousarray(values, dtype=kind).view()
    view.flags.writeable = False
    return view


@compiled
def _find_changes(first: int, last: int, item: Array, offsets: Ints) -> bool:
    """Set the offsets of items that begin among some answers; say if their items never fall."""
    for a in range(first, last):
        here = item[a]
        before = item[a - 1] if a > 0 else -1
        if here != before:
            if here < before:
                return False
            for i in range(before + 1, here + 1):
                offsets[i] = a
    if last == item.size:
        for i in range(item[last - 1] + 1 if last > 0 else 0, offsets.size):
            offsets[i] = last
    return True


@compiled
def _count(first: int, last: int, item: Array, counts: Array) -> None:
    for a in range(first, last):
        counts[item[a]] += 1


@compiled
def _place(places: Array, offsets: Ints) -> None:
    """Turn counts, (chunk, item), into where in its item each chunk's answers begin."""
    n_chunks, n_items = places.shape
    offsets[0] = 0
    for i in range(n_items):
        size = 0
        for chunk in range(n_chunks):
            count = places[chunk, i]
            places[chunk, i] = size
            size += count
        offsets[i + 1] = offsets[i] + size
    for chunk in range(n_chunks):
        for i in range(n_items):
            places[chunk, i] += offsets[i]


@compiled
def _scatter(
    first: int, last: int, item: Array, worker: Array, label: Array, places: Array, workers: Array, labels: Array
) -> None:
    for a in range(first, last):
        place = places[item[a]]
        places[item[a]] = place + 1
        workers[place] = worker[a]
        labels[place] = label[a]


@compiled
def _longest(first: int, last: int, offsets: Ints) -> int:
    """Count the answers of that item among some which has most."""
    longest = 0
    for i in range(first, last):
        longest = max(longest, offsets[i + 1] - offsets[i])
    return longest


@compiled
def _sort(keys: Ints, spare: Ints, size: Any) -> None:
    """Sort the first ``size`` keys by merging longer and longer runs; ``spare``, as long, is to work in."""
    run = 1
    while run < size:
        for start in range(0, size, 2 * run):
            middle, end = min(start + run, size), min(start + 2 * run, size)
            left, right = start, middle
            for place in range(start, end):
                if right >= end or (left < middle and keys[left] <= keys[right]):
                    spare[place] = keys[left]
                    left += 1
                else:
                    spare[place] = keys[right]
                    right += 1
        for place in range(size):
            keys[place] = spare[place]
        run *= 2


@compiled
def _sort_eight(keys: Ints) -> None:
    """Sort the first eight keys by the network of 19 comparisons, of which none hangs on another's outcome.

    D. E. Knuth (1998), The Art of Computer Programming 3, section 5.3.4.
    """
    a, b, c, d, e, f, g, h = keys[0], keys[1], keys[2], keys[3], keys[4], keys[5], keys[6], keys[7]
    a, c, b, d, e, g, f, h = min(a, c), max(a, c), min(b, d), max(b, d), min(e, g), max(e, g), min(f, h), max(f, h)
    a, e, b, f, c, g, d, h = min(a, e), max(a, e), min(b, f), max(b, f), min(c, g), max(c, g), min(d, h), max(d, h)
    a, b, c, d, e, f, g, h = min(a, b), max(a, b), min(c, d), max(c, d), min(e, f), max(e, f), min(g, h), max(g, h)
    c, e, d, f = min(c, e), max(c, e), min(d, f), max(d, f)
    b, e, d, g = min(b, e), max(b, e), min(d, g), max(d, g)
    b, c, d, e, f, g = min(b, c), max(b, c), min(d, e), max(d, e), min(f, g), max(f, g)
    keys[0], keys[1], keys[2], keys[3], keys[4], keys[5], keys[6], keys[7] = a, b, c, d, e, f, g, h


@compiled
def _arrange(
    first: int,
    last: int,
    offsets: Ints,
    worker: Array,
    label: Array,
    workers: Array,
    labels: Array,
    kept: Array,
    keys: Ints,
    spare: Ints,
) -> int:
    """Sort the answers of some items by worker; count what is kept of each, and of all.

    ``keys`` and ``spare``, longer than the longest item and than eight, are to work in.
    """
    one, low = np.uintp(1), np.int64(0xFFFFFFFF)  # an index without a sign is looked up as it is
    total = 0
    for i in range(np.uintp(first), np.uintp(last)):
        begin = np.uintp(offsets[i])
        size = np.uintp(offsets[i + one]) - begin
        for j in range(size):
            keys[j] = (np.int64(worker[begin + j]) << 32) | np.int64(j)
        if size <= np.uintp(EIGHT):
            for j in range(size, np.uintp(EIGHT)):
                keys[j] = LAST
            _sort_eight(keys)
        elif size <= np.uintp(FEW):
            for j in range(one, size):
                key = keys[j]
                hole = np.uintp(j)
                while hole > np.uintp(0) and keys[hole - one] > key:
                    keys[hole] = keys[hole - one]
                    hole -= one
                keys[hole] = key
        else:
            _sort(keys, spare, np.int64(size))
        keys[size] = LAST
        place = begin
        for j in range(size):  # where the next is by the same worker, it is written over this one
            workers[place] = keys[j] >> 32
            labels[place] = label[begin + np.uintp(keys[j] & low)]
            place += np.uintp(keys[j] >> 32 != keys[j + one] >> 32)
        kept[i] = place - begin
        total += kept[i]
    return total


@compiled
def _close_ranks(offsets: Ints, kept: Array, workers: Array, labels: Array, closed: Ints) -> None:
    """Move answers together where some were not kept, and set the new offsets."""
    place = 0
    for i in range(kept.size):
        closed[i] = place
        for a in range(offsets[i], offsets[i] + kept[i]):
            workers[place] = workers[a]
            labels[place] = labels[a]
            place += 1
    closed[kept.size] = place
