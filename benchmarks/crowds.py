"""Crowds made up for measuring: workers who err apart, items that are hard for all, items that mislead.

Each draws, from its seed, 2 to 8 labels, 150 to 1,200 items, 3 to 20 answers an item, 15 to 100 workers who do more
or less, skills around a mean of its own, some workers who answer at random, and how common each label is. None of the
models assumes the way in which these answers are made.
"""

from __future__ import annotations

import numpy as np

from aggregation import LabelTable
from aggregation.arrays import Ints

KINDS = ("apart", "hard", "misled")


def crowd(kind: str, seed: int) -> tuple[LabelTable, Ints]:
    """
    Make up a crowd; give its answers and the truth.

    ``apart``: a wrong answer depends on the label alone. ``hard``: items differ in difficulty for all, and half of the
    wrong answers to an item are alike. ``misled``: besides, up to 15% of the items show most workers something else.
    """
    rng = np.random.default_rng([KINDS.index(kind), seed])
    n_labels, n_items = int(rng.choice([2, 2, 2, 3, 4, 5, 8])), int(rng.choice([150, 300, 600, 1200]))
    per_item = int(rng.choice([3, 5, 5, 8, 10, 20]))
    n_workers = max(per_item + 3, int(rng.choice([15, 40, 100])))
    truth = rng.choice(n_labels, n_items, p=rng.dirichlet(np.full(n_labels, 3.0)))
    skill = rng.normal(rng.uniform(0.5, 2.0), rng.uniform(0.3, 1.2), n_workers)
    at_random = rng.random(n_workers) < rng.choice([0.0, 0.1, 0.25])
    slips = rng.dirichlet(np.ones(n_labels), n_labels)
    difficulty = np.zeros(n_items) if kind == "apart" else rng.normal(0, rng.uniform(0.5, 1.5), n_items)
    decoy = (truth + rng.integers(1, n_labels, n_items)) % n_labels
    misled = rng.random(n_items) < (rng.uniform(0.03, 0.15) if kind == "misled" else 0.0)

    item = np.repeat(np.arange(n_items), per_item)
    busy = rng.gumbel(size=(n_items, n_workers)) + rng.normal(0, 1.0, n_workers)
    worker = np.argsort(-busy, axis=1)[:, :per_item].ravel()
    knows = rng.random(item.size) < 1 / (1 + np.exp(difficulty[item] - skill[worker]))
    cumulated = slips[truth[item]].cumsum(axis=1)
    slip = np.minimum((rng.random(item.size)[:, None] > cumulated).sum(axis=1), n_labels - 1)
    wrong = np.where((rng.random(item.size) < 0.5) & (kind != "apart"), decoy[item], slip)
    label = np.where(knows, truth[item], wrong)
    label = np.where(misled[item] & (rng.random(item.size) < 0.65), decoy[item], label)
    label = np.where(at_random[worker], rng.integers(n_labels, size=item.size), label)
    return LabelTable.from_arrays(item, worker, label, n_labels, n_items=n_items, n_workers=n_workers), truth
