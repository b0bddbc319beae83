"""Compiled steps of GLAD: what Newton's steps in abilities and eases need, and expectation.

The odds of an answer to be right are e to the power of x, the worker's ability times the item's ease. All that is asked
of x comes from one exponential, and of the logarithms of many factors between 1 and 2 one is taken, of their product.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from aggregation.compiler import compiled

if TYPE_CHECKING:
    import numpy.typing as npt

    from aggregation.arrays import Floats, Ints

    Array = npt.NDArray[Any]

# Above this a product of such factors is taken down as a logarithm.
LARGE = 1e300


@compiled
def slopes(
    first: int,
    last: int,
    offsets: Ints,
    worker: Array,
    label: Array,
    posterior: Floats,
    ability: Floats,
    log_ease: Floats,
    worker_slope: Floats,
    worker_bend: Floats,
    item_slope: Floats,
    item_bend: Floats,
) -> float:
    """
    Give the expected log likelihood of the answers to some items, but for what no ability or ease changes.

    Sets its first derivatives, and its second ones as they are expected and with their signs turned: by ability,
    (n_workers,) of these items alone, and by log ease, (n_items,).
    """
    worker_slope[:] = 0.0
    worker_bend[:] = 0.0
    aim, product = 0.0, 1.0
    for i in range(first, last):
        ease = math.exp(log_ease[i])
        slope_sum, bend_sum = 0.0, 0.0
        for a in range(offsets[i], offsets[i + 1]):
            w = worker[a]
            right = posterior[i, label[a]]
            x = ability[w] * ease
            small = math.exp(-abs(x))
            product *= 1.0 + small
            if product > LARGE:
                aim -= math.log(product)
                product = 1.0
            aim += right * x - max(x, 0.0)
            chance = (1.0 if x > 0.0 else small) / (1.0 + small)
            slope, bend = right - chance, chance * (1.0 - chance)
            worker_slope[w] += slope * ease
            worker_bend[w] += bend * ease * ease
            slope_sum += slope * x
            bend_sum += bend * x * x
        item_slope[i] = slope_sum
        item_bend[i] = bend_sum
    return aim - math.log(product)


@compiled
def expect(
    first: int,
    last: int,
    offsets: Ints,
    worker: Array,
    label: Array,
    clamp: Array,
    log_start: Floats,
    log_prevalence: Floats,
    ability: Floats,
    log_ease: Floats,
    posterior: Floats,
    row: Floats,
) -> tuple[float, float]:
    """
    Infer some items; give the log likelihood of the answers to them, and the largest change of a probability.

    ``log_start``, (n_gold, n_labels), has the log probabilities that gold begins with, and others begin with
    ``log_prevalence``. ``row``, (n_labels,), is to work in.
    """
    n_labels = row.size
    wrong_ways = math.log(n_labels - 1)
    log_likelihood, change = 0.0, 0.0
    for i in range(first, last):
        begin, end = offsets[i], offsets[i + 1]
        gold = clamp[i]
        for k in range(n_labels):
            row[k] = log_prevalence[k] if gold < 0 else log_start[gold, k]
        ease = math.exp(log_ease[i])
        all_wrong, product = 0.0, 1.0
        for a in range(begin, end):
            x = ability[worker[a]] * ease
            product *= 1.0 + math.exp(-abs(x))
            if product > LARGE:
                all_wrong -= math.log(product)
                product = 1.0
            all_wrong -= max(x, 0.0) + wrong_ways
            row[label[a]] += x + wrong_ways  # right in place of wrong
        all_wrong -= math.log(product)
        top = -math.inf
        for k in range(n_labels):
            top = max(top, row[k])
        total = 0.0
        for k in range(n_labels):
            row[k] = math.exp(row[k] - top)
            total += row[k]
        if begin < end:
            log_likelihood += all_wrong + top + math.log(total)
        for k in range(n_labels):
            row[k] /= total
            change = max(change, abs(row[k] - posterior[i, k]))
            posterior[i, k] = row[k]
    return log_likelihood, change
