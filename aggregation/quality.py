"""What a worker's answers are worth: how many are right, and what their confusion matrix tells."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betaincinv

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aggregation.arrays import Floats
    from aggregation.table import LabelTable

# Pseudo-counts of a row where a method learns no confusion: the prior of `Prior.default`.
RIGHT, WRONG = 4.0, 1.0
# Cells that are held at once.
PART = 4_000_000


def accuracy(table: LabelTable, calibrated: Floats, mass: float = 0.9) -> tuple[Floats, Floats, Floats]:
    """
    Give each worker's chance to be right and the ends of the interval that holds it, (n_workers,) each.

    Every accuracy is as likely beforehand. Were it known which answers are right, the posterior would be
    Beta(1 + right, 1 + wrong). As there are only chances of that, it is a mixture of such, and the Beta distribution of
    the same mean and variance stands for it.

    Parameters
    ----------
    calibrated : (n_items, n_labels)
        Honest probabilities of each item's labels, as `Result.calibrated`.
    mass : float
        What share of the distribution the interval holds.

    """
    chance = np.clip(calibrated[table.item, table.label], 0.0, 1.0)
    given = np.bincount(table.worker, minlength=table.n_workers)
    right = np.bincount(table.worker, chance, minlength=table.n_workers)
    doubt = np.bincount(table.worker, chance * (1 - chance), minlength=table.n_workers)  # the variance of how many
    mean = (1 + right) / (2 + given)
    of_each = ((1 + right) * (1 + given - right) - doubt) / ((2 + given) ** 2 * (3 + given))
    weight = mean * (1 - mean) / (of_each + doubt / (2 + given) ** 2) - 1
    low, high = (betaincinv(mean * weight, (1 - mean) * weight, (1 + side * mass) / 2) for side in (-1, 1))
    return mean, low, high


def confusions(table: LabelTable, posterior: Floats) -> Iterator[Floats]:
    """
    Count answers by the labels that a posterior gives, for some workers after others, (n_some, true, answered).

    For methods that learn no confusion; rows are smoothed towards a worker who is right four times in five. Of all
    workers at once there may be more than memory holds.
    """
    n_labels = table.n_labels
    some = max(PART // n_labels**2, 1)
    by_worker = np.argsort(table.worker, kind="stable")
    ends = np.searchsorted(table.worker[by_worker], np.arange(0, table.n_workers + some, some))
    item, label = table.item[by_worker], table.label[by_worker].astype(np.int64)
    worker = table.worker[by_worker]
    for number, (begin, end) in enumerate(pairwise(ends.tolist())):
        first = number * some
        last = min(first + some, table.n_workers)
        cell, items = (worker[begin:end] - first) * n_labels + label[begin:end], item[begin:end]
        counts = np.full((last - first, n_labels, n_labels), WRONG / (n_labels - 1))
        for true in range(n_labels):
            counts[:, true, true] = RIGHT
            given = np.bincount(cell, posterior[items, true], (last - first) * n_labels)
            counts[:, true] += given.reshape(-1, n_labels)
        yield counts / counts.sum(axis=2, keepdims=True)


def confusion_of(table: LabelTable, posterior: Floats) -> Floats:
    """Give the matrices of all workers, (n_workers, true, answered); see `confusions`."""
    shape = (0, table.n_labels, table.n_labels)
    return np.concatenate([np.empty(shape), *confusions(table, posterior)])


def expected_cost(confusion: Floats, prevalence: Floats) -> Floats:
    """
    Give the cost of taking a worker's word, each answer read for what it implies, (n_workers,).

    A wrong label costs 1. An answer l is replaced by the labels it implies, p(c | l) in proportion to
    prevalence_c confusion_cl, and the cheapest label is decided on; a worker who is always wrong in the same way costs
    nothing.

    P. Ipeirotis, F. Provost, J. Wang (2010), Quality management on Amazon Mechanical Turk, HCOMP.

    Parameters
    ----------
    confusion : (n_workers, n_labels, n_labels)
    prevalence : (n_labels,)

    """
    joint = prevalence[:, None] * confusion
    cost: Floats = 1 - joint.max(axis=1).sum(axis=1)
    return cost


def quality(confusion: Floats, prevalence: Floats) -> Floats:
    """Give one minus expected cost over that of a spammer, (n_workers,): 1 is perfect, 0 tells nothing."""
    spammer = 1 - float(prevalence.max())
    if spammer <= 0:
        return np.zeros(confusion.shape[0])
    return np.clip(1 - expected_cost(confusion, prevalence) / spammer, 0.0, 1.0)


def spammer_score(confusion: Floats) -> Floats:
    """
    Give how far a worker's answers depend on the item at all, (n_workers,): 0 for a spammer, 1 for a perfect worker.

    The mean squared distance between the rows of a worker's confusion matrix, over all pairs of true labels.

    V. Raykar and S. Yu (2012), Eliminating spammers and ranking annotators for crowdsourced labeling tasks, JMLR 13.
    """
    n_labels = confusion.shape[1]
    squares = (confusion**2).sum(axis=(1, 2))
    together = (confusion.sum(axis=1) ** 2).sum(axis=1)
    score: Floats = (n_labels * squares - together) / (n_labels * (n_labels - 1))
    return np.clip(score, 0.0, 1.0)
