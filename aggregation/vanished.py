"""Find label values that a fit has lost, and models that keep them.

A model can explain a label away. Where most workers take the same label for another one, as when four in ten see what
is there and six do not, its items look like a kind of the other label: the fuller the model, the better it explains
them so, and no climb from majority vote comes back from a label that nothing has. What the answers foresee of each
other tells such a summit from the one at which each label value is some item's, if only a climb begins near it. The
likeliest confusion matrices, which nothing holds back, lead there; with hardly any prior a Bayesian fit stays. That is
of use where answers are more than what there is to learn of the workers: with fewer, matrices say what they like.

Of twelve recorded sets none loses a label so: the least that is left of one is two thirds of the items that most
workers gave it to, but for a set with three answers to a worker, on versions of which this was seen to do harm.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from aggregation.bayes import Bcc
from aggregation.blocks import Blocks
from aggregation.climbing import highest
from aggregation.dawid_skene import maximum_likelihood
from aggregation.prior import Prior
from aggregation.result import TIE, ConvergenceWarning

if TYPE_CHECKING:
    from aggregation.arrays import Ints
    from aggregation.gold import Clamp
    from aggregation.result import Result
    from aggregation.table import LabelTable

# A label value that most workers gave to so many items has vanished where less than this part of them is left.
FEWEST, LEFT = 5, 1 / 4
# What each row of confusion is worth beforehand: hardly anything.
RIGHT, WRONG = 0.5, 0.25


def vanished(table: LabelTable, clamp: Clamp, labels: Ints) -> Ints:
    """
    Name the label values that most workers gave to several items, and that hardly any item has in ``labels``.

    None where answers are fewer than cells of confusion. Where gold says how often most workers are right that give a
    label value, only so much of it can be missing.
    """
    if table.n_answers < table.n_workers * table.n_labels**2:
        return np.zeros(0, dtype=np.int64)
    votes, answered = table.votes(), table.answers_per_item > 0
    best = (votes >= votes.max(axis=1, keepdims=True, initial=0) - TIE) & (votes > 0)
    shares = best / np.maximum(best.sum(axis=1, keepdims=True), 1)
    free = answered & ~clamp.known
    given, left = shares[free].sum(axis=0), np.bincount(labels[free], minlength=table.n_labels)
    told = shares[clamp.known]
    right = (1 + (told * clamp.accepted).sum(axis=0)) / (1 + told.sum(axis=0))
    found: Ints = np.flatnonzero((given >= FEWEST) & (left < LEFT * right * given))
    return found


def unbound(table: LabelTable, clamp: Clamp, *, max_iter: int, tol: float, threads: int | None = None) -> Result:
    """Fit with hardly any prior, from where maximum likelihood ends: a beginning for models that know better."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        likeliest = maximum_likelihood(table, clamp, max_iter=max_iter, threads=threads)
    prior = Prior.diagonal(table.n_labels, right=RIGHT, wrong=WRONG)
    with Blocks(table, table.n_workers * table.n_labels**2, threads=threads) as blocks:
        fit = Bcc(table, clamp, blocks, prior)
        fit.begin(likeliest.posterior.copy())
        return highest(fit, fit.climb(max_iter, tol), max_iter, tol)
