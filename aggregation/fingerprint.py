"""Numbers that look random and belong to an item or a worker by what was answered, not by how it is numbered.

Restarts and folds drawn from them are the same for the same answers in any order and under any numbering, so that
two runs over one set of answers agree. Items are told apart by who answered them and what, workers by which items
they answered and how, in turns, as in colour refinement (B. Weisfeiler, A. Leman 1968); sums of hashes do not
depend on order. What these turns cannot tell apart is alike, and draws the same numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from aggregation.arrays import Floats
    from aggregation.gold import Clamp
    from aggregation.table import LabelTable

Hashes = npt.NDArray[np.uint64]

TURNS = 3


def mix(values: Hashes) -> Hashes:
    """Scramble 64-bit numbers (the finaliser of splitmix64, G. Steele, D. Lea, C. Flood 2014)."""
    scrambled = values + np.uint64(0x9E3779B97F4A7C15)
    scrambled = (scrambled ^ (scrambled >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    scrambled = (scrambled ^ (scrambled >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return scrambled ^ (scrambled >> np.uint64(31))


def fingerprints(table: LabelTable) -> tuple[Hashes, Hashes]:
    """Give a hash for each item, (n_items,), and for each worker, (n_workers,)."""
    label = mix(table.label.astype(np.uint64))
    item_of = table.item
    items = np.zeros(table.n_items, dtype=np.uint64)
    workers = np.zeros(table.n_workers, dtype=np.uint64)
    for _ in range(TURNS):
        seen = np.zeros_like(items)
        np.add.at(seen, item_of, mix(workers[table.worker] ^ label))
        items = mix(seen)
        given = np.zeros_like(workers)
        np.add.at(given, table.worker, mix(items[item_of] + label))
        workers = mix(given)
    return items, workers


def told_apart(table: LabelTable, hashes: Hashes, clamp: Clamp) -> Hashes:
    """
    Give alike items hashes of their own: by what is known of them, and where the same workers said the same, by order.

    Which of several items that the very same workers answered the same gets which hash depends on their numbers, and
    makes no difference to anything they share.
    """
    known = np.zeros((hashes.size, clamp.accepted.shape[1]), dtype=np.uint64)
    known[clamp.known] = clamp.accepted
    hashes = hashes ^ mix(known @ mix(np.arange(known.shape[1], dtype=np.uint64)))
    same = np.zeros_like(hashes)
    np.add.at(same, table.item, mix(mix(table.worker.astype(np.uint64)) ^ mix(table.label.astype(np.uint64))))
    same = mix(same) ^ hashes
    order = np.argsort(same, kind="stable")
    first = np.searchsorted(same[order], same[order])
    apart = np.empty_like(hashes)
    apart[order] = mix(hashes[order] + (np.arange(hashes.size) - first).astype(np.uint64))
    return apart


def uniforms(hashes: Hashes, *seeds: int) -> Floats:
    """Draw a number in (0, 1) for each hash; other seeds give others."""
    drawn = hashes
    for seed in seeds:
        drawn = mix(drawn ^ mix(np.uint64(seed) + np.zeros_like(hashes)))
    return ((drawn >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
