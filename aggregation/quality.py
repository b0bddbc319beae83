"""What a worker's answers are worth, from their confusion matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from aggregation.arrays import Floats
    from aggregation.table import LabelTable

# Pseudo-counts of a row where a method learns no confusion: the prior of `Prior.default`.
RIGHT, WRONG = 4.0, 1.0


def confusion_of(table: LabelTable, posterior: Floats) -> Floats:
    """
    Count answers by the labels that a posterior gives, (n_workers, true, answered); rows sum to 1.

    For methods that learn no confusion; rows are smoothed towards a worker who is right four times in five.
    """
    n_labels = table.n_labels
    counts = np.full((table.n_workers, n_labels, n_labels), WRONG / (n_labels - 1))
    counts[:, np.arange(n_labels), np.arange(n_labels)] = RIGHT
    by_answer = counts.transpose(0, 2, 1)
    np.add.at(by_answer, (table.worker, table.label), posterior[table.item])
    matrices: Floats = counts / counts.sum(axis=2, keepdims=True)
    return matrices


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
