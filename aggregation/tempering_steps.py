"""The compiled step of tempering: how well an item's other answers foresee each, with their evidence divided."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from aggregation import lanes
from aggregation.compiler import compiled
from aggregation.lanes import MOST_LANES as PIECE

if TYPE_CHECKING:
    from aggregation.arrays import Floats, Ints

# Below this a product of probabilities is taken down as a logarithm.
SMALL = 1e-200


def scores(offsets: Ints, logs: Floats, log_prevalence: Floats, correlations: Floats) -> Floats:
    """
    Give the log probability of all answers by each correlation, (n_correlations,).

    Parameters
    ----------
    offsets : (n_items + 1,)
        The answers of item ``i`` are ``logs[offsets[i]:offsets[i + 1]]``.
    logs : (n_answers, n_labels)
        The log probability of each answer by true label.
    log_prevalence : (n_labels,)
    correlations : (n_correlations,)

    """
    n_labels = log_prevalence.size
    room = -(-n_labels // PIECE) * PIECE  # of what is no label, nothing
    start, work = np.full(room, -np.inf), np.zeros((4, room))
    start[:n_labels] = log_prevalence
    found, products = np.zeros(correlations.size), np.ones(correlations.size)
    _score(offsets, logs, start, correlations, found, products, *work)
    return found


@compiled
def foreseen(start: Floats, others: Floats, share: float, chances: Floats, row: Floats) -> float:
    """Give the probability of an answer that has ``chances`` by true label, by a share of what others say of that."""
    pieces = np.uintp(start.size // PIECE)
    top = -math.inf
    for piece in range(pieces):
        part = lanes.multiply(lanes.load(PIECE, others, piece), lanes.fill(PIECE, share))
        part = lanes.add(part, lanes.load(PIECE, start, piece))
        lanes.store(row, piece, part)
        top = max(top, lanes.largest(part))
    total, hit = 0.0, 0.0
    for piece in range(pieces):
        part = lanes.exp(lanes.subtract(lanes.load(PIECE, row, piece), lanes.fill(PIECE, top)))
        total += lanes.total(part)
        hit += lanes.total(lanes.multiply(part, lanes.load(PIECE, chances, piece)))
    return hit / total


@compiled
def _score(
    offsets: Ints,
    logs: Floats,
    start: Floats,
    correlations: Floats,
    found: Floats,
    products: Floats,
    sums: Floats,
    others: Floats,
    chances: Floats,
    row: Floats,
) -> None:
    n_labels = logs.shape[1]
    for i in range(offsets.size - 1):
        begin, end = offsets[i], offsets[i + 1]
        for k in range(n_labels):
            sums[k] = 0.0
            for a in range(begin, end):
                sums[k] += logs[a, k]
        for a in range(begin, end):
            for k in range(n_labels):
                others[k] = sums[k] - logs[a, k]
                chances[k] = math.exp(logs[a, k])
            for c in range(correlations.size):
                share = 1.0 / (1.0 + correlations[c] * max(end - begin - 2, 0))
                products[c] *= foreseen(start, others, share, chances, row)
                if products[c] < SMALL:
                    found[c] += math.log(products[c])
                    products[c] = 1.0
    for c in range(correlations.size):
        found[c] += math.log(products[c])
