"""Crowds made up for measuring: workers who err apart, items that are hard or mislead, workers who share an error.

Each draws, from its seed, 2 to 8 labels, 150 to 1,200 items, 3 to 20 answers an item, 15 to 100 workers who do more
or less, skills around a mean of its own, some workers who answer at random, and how common each label is. None of the
models assumes the way in which these answers are made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from aggregation import LabelTable
from aggregation.arrays import Floats, Ints

KINDS = ("apart", "hard", "misled", "weak", "ordinal", "confused", "camps")


class _Made(NamedTuple):
    """A crowd so far: items' truth, workers' skill, and the item, worker and label of each answer."""

    rng: np.random.Generator
    n_labels: int
    truth: Ints
    skill: Floats
    item: Ints
    worker: Ints
    label: Ints


def crowd(kind: str, seed: int) -> tuple[LabelTable, Ints]:
    """
    Make up a crowd; give its answers and the truth.

    ``apart``: a wrong answer depends on the label alone. ``hard``: items differ in difficulty for all, and half of the
    wrong answers to an item are alike. ``misled``: besides, up to 15% of the items show most workers something else.
    The others are as ``hard`` is, but: ``weak``: workers know the label of 5 to 30% of the items, and guess that of
    the others. ``ordinal``: answers lie around the label, further off the less exact a worker is. ``confused``: about
    half of the workers, or more, take one label for another one. ``camps``: 15 to 40% of the workers answer another
    question, on which they agree.
    """
    rng = np.random.default_rng([KINDS.index(kind), seed])
    n_labels, n_items = int(rng.choice([2, 2, 2, 3, 4, 5, 8])), int(rng.choice([150, 300, 600, 1200]))
    if kind in {"ordinal", "confused"}:
        n_labels = max(n_labels, 3)
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
    if kind in SHARED:
        label = SHARED[kind](_Made(rng, n_labels, truth, skill, item, worker, label))
    label = np.where(at_random[worker], rng.integers(n_labels, size=item.size), label)
    return LabelTable.from_arrays(item, worker, label, n_labels, n_items=n_items, n_workers=n_workers), truth


def _weak(made: _Made) -> Ints:
    """Let workers know the label of few items, and guess it elsewhere."""
    share = np.clip(made.rng.normal(made.rng.uniform(0.05, 0.3), 0.1, made.skill.size), 0, 1)
    knows = made.rng.random(made.item.size) < share[made.worker]
    return np.where(knows, made.truth[made.item], made.rng.integers(made.n_labels, size=made.item.size))


def _ordinal(made: _Made) -> Ints:
    """Let answers lie around the label: items and workers lean to a side, and workers are more or less exact."""
    shift = made.rng.normal(0, made.rng.uniform(0, 0.6), made.truth.size)
    bias = made.rng.normal(0, made.rng.uniform(0, 0.6), made.skill.size)
    noise = np.exp(-made.skill / 2)[made.worker] * made.rng.normal(size=made.item.size)
    seen = np.rint(made.truth[made.item] + shift[made.item] + bias[made.worker] + noise)
    return np.clip(seen, 0, made.n_labels - 1).astype(np.int64)


def _confused(made: _Made) -> Ints:
    """Let workers take one label for another, each at a rate of their own."""
    one, other = made.rng.choice(made.n_labels, 2, replace=False)
    rate = np.clip(made.rng.normal(made.rng.uniform(0.4, 0.75), 0.15, made.skill.size), 0, 1)
    mistaken = (made.truth[made.item] == one) & (made.rng.random(made.item.size) < rate[made.worker])
    return np.where(mistaken, other, made.label)


def _camps(made: _Made) -> Ints:
    """Let some workers answer another question."""
    asked = made.rng.integers(made.n_labels, size=made.truth.size)
    camp = made.rng.random(made.skill.size) < made.rng.uniform(0.15, 0.4)
    return np.where(camp[made.worker] & (made.rng.random(made.item.size) < 0.85), asked[made.item], made.label)


SHARED: dict[str, Callable[[_Made], Ints]] = {
    "weak": _weak,
    "ordinal": _ordinal,
    "confused": _confused,
    "camps": _camps,
}
