"""Compiled steps that set confusion matrices: from counts, by normalising, and by extrapolation.

Arrays are (worker, answered label, true label), in rows as `confusion` reads them.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

from aggregation import lanes
from aggregation.compiler import compiled
from aggregation.confusion import BUNDLE, LEAST
from aggregation.kernels import FLOOR

if TYPE_CHECKING:
    from collections.abc import Callable

    from aggregation.arrays import Floats


@functools.cache
def normalise_for(n_labels: int) -> Callable[..., float]:
    """Make the kernel that makes distributions of workers' weights: for few labels, one for just that many."""
    known = n_labels if n_labels <= lanes.MOST_LANES else 0

    @compiled
    def normalise(
        first: int, last: int, counts: Floats, prior: Floats, weights: Floats, total: Floats, product: Floats
    ) -> float:
        """
        Merge the counts of all blocks, (block, worker, answered, true), and set the weights of some workers.

        ``prior`` is (1 or n_workers, answered, true). Without blocks the weights are as they were, none below `FLOOR`.
        ``total``, (n_labels,), and ``product``, (n_labels, n_labels), are to work in. Every cell counts `FLOOR`
        besides, so that no answer is ever impossible. Returns the log density of both, up to a constant.
        """
        n_labels = known if known > 0 else total.size
        n_blocks = counts.shape[0]
        together = BUNDLE if prior.shape[0] == 1 else 1  # workers of whom a cell's logarithms are taken as one
        log_prior = 0.0
        product[...] = 1.0
        for w in range(first, last):
            own = prior[w if prior.shape[0] > 1 else 0]
            out = weights[w]
            for k in range(n_labels):
                total[k] = 0.0
            for a in range(n_labels):
                for k in range(n_labels):
                    out[a, k] = own[a, k] + FLOOR if n_blocks > 0 else max(out[a, k], FLOOR)
                for b in range(n_blocks):
                    for k in range(n_labels):
                        out[a, k] += counts[b, w, a, k]
                for k in range(n_labels):
                    total[k] += out[a, k]
            for k in range(n_labels):
                total[k] = 1.0 / total[k]
            for a in range(n_labels):
                for k in range(n_labels):
                    out[a, k] = max(out[a, k] * total[k], LEAST)
                    product[a, k] *= out[a, k]
            if (w + 1 - first) % together == 0 or w + 1 == last:
                for a in range(n_labels):
                    for k in range(n_labels):
                        log_prior += (own[a, k] + FLOOR) * math.log(product[a, k])
                        product[a, k] = 1.0
        return log_prior

    return normalise


# A probability is extrapolated to no less than this share of it: from next to nothing it hardly ever comes back.
NEARER = 0.01


@compiled
def extrapolate(
    first: int,
    last: int,
    start: Floats,
    middle: Floats,
    end: Floats,
    longest: float,
    weights: Floats,
    step: Floats,
    bend: Floats,
) -> int:
    """
    Set the weights of some workers to where two steps lead, and count the rows of confusion that went ``longest``.

    The steps went from ``start`` to ``middle`` to ``end``. Each row goes on as far as its own bend says, pooled with
    the bend of the worker's other rows: who answered much and clearly arrives long before the others do. A stride of 1
    is where the second step ended. Steps are measured in square roots of probabilities, where they shrink more evenly
    (Hellinger's distance): a step of a hundredth is much for a probability of a thousandth, and little for a half.
    ``step`` and ``bend``, (n_labels, n_labels), are to work in.
    """
    n_labels = weights.shape[1]
    far = 0
    for w in range(first, last):
        moved, bent = 0.0, 0.0
        for a in range(n_labels):
            for k in range(n_labels):
                root = math.sqrt(middle[w, a, k])
                step[a, k] = root - math.sqrt(start[w, a, k])
                bend[a, k] = math.sqrt(end[w, a, k]) - root - step[a, k]
                moved += step[a, k] ** 2
                bent += bend[a, k] ** 2
        for k in range(n_labels):
            row_moved, row_bent = moved / n_labels, bent / n_labels
            for a in range(n_labels):
                row_moved += step[a, k] ** 2
                row_bent += bend[a, k] ** 2
            stride = min(max(math.sqrt(row_moved / max(row_bent, 1e-300)), 1.0), longest)
            far += stride >= longest
            for a in range(n_labels):
                reached = math.sqrt(middle[w, a, k]) + (2 * stride - 1) * step[a, k] + stride**2 * bend[a, k]
                weights[w, a, k] = max(max(reached, 0.0) ** 2, NEARER * middle[w, a, k])
    return far
