"""Dawid and Skene's model where confusion has more cells than there are answers, and so mostly rows without one.

It computes what `DawidSkene` does, with the rows that were answered; see `rows`. The density of all others follows from
their prior and from what each column sums to.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from aggregation import long_rows
from aggregation.compiler import compiled
from aggregation.confusion import BUNDLE, LEAST
from aggregation.earlier import posterior_from
from aggregation.fit import Fit
from aggregation.kernels import FLOOR
from aggregation.lanes import width
from aggregation.memory import empty, zeros
from aggregation.rows import Rows

if TYPE_CHECKING:
    from aggregation.arrays import Bools, Floats, Ints
    from aggregation.blocks import Blocks
    from aggregation.gold import Clamp
    from aggregation.prior import Prior
    from aggregation.result import Result
    from aggregation.table import LabelTable


@compiled
def normalise(
    first: int,
    last: int,
    begins: Ints,
    label: Ints,
    counts: Floats,
    prior: Floats,
    even: Bools,
    columns: Floats,
    weights: Floats,
    totals: Floats,
    product: Floats,
) -> float:
    """
    Merge the counts of all blocks, (n_blocks, n_rows, room), and set the weights of some workers' rows.

    Every cell counts `FLOOR` besides, so that no answer is ever impossible.

    Parameters
    ----------
    begins, label : (n_workers + 1,) and (n_rows,)
        Where workers' rows begin, and which label was answered.
    prior : (1 or n_workers, n_labels, n_labels)
        Pseudo-counts by answered and true label.
    even : (1 or n_workers,)
        Whether all wrong answers are as likely by a prior: then logarithms are taken of products.
    columns : (1 or n_workers, n_labels)
        What each column of the prior sums to, with `FLOOR`.
    weights : (n_rows, room), set
    totals : (n_workers, n_labels), set
        What each column of counts and prior sums to.
    product : (n_labels,), to work in

    Returns
    -------
    float
        The log density of all rows, less what it would be if none were answered and no column normalised.

    """
    density = 0.0
    for w in range(first, last):
        p = w if prior.shape[0] > 1 else 0
        begin, end = begins[w], begins[w + 1]
        for k in range(product.size):
            totals[w, k] = columns[p, k]
        for r in range(begin, end):
            merge(r, counts, prior[p, label[r]], weights[r], totals[w])
        if even[p]:
            density += even_rise(begin, end, label, prior[p], weights, product)
        else:
            density += uneven_rise(begin, end, label, prior[p], weights, product)
        for k in range(product.size):
            density -= columns[p, k] * math.log(totals[w, k])
            product[k] = 1.0 / totals[w, k]
        for r in range(begin, end):
            for k in range(product.size):
                weights[r, k] = max(weights[r, k] * product[k], LEAST)
    return density


@compiled
def merge(r: int, counts: Floats, prior: Floats, out: Floats, total: Floats) -> None:
    """Set a row to its counts and its prior, and add its counts to the columns'."""
    for k in range(total.size):
        out[k] = 0.0
    for b in range(counts.shape[0]):
        for k in range(total.size):
            out[k] += counts[b, r, k]
    for k in range(total.size):
        total[k] += out[k]
        out[k] += prior[k] + FLOOR


@compiled
def even_rise(begin: int, end: int, label: Ints, prior: Floats, rows: Floats, product: Floats) -> float:
    """Give by how much counts raise the log density of a worker's rows, where wrong answers are all as likely."""
    density, wrong = 0.0, prior[0, 1] + FLOOR
    product[:] = 1.0
    for r in range(begin, end):
        at = label[r]
        right, kept = prior[at, at] + FLOOR, product[at]
        for k in range(product.size):
            product[k] *= rows[r, k] / wrong
        product[at] = kept
        density += right * math.log(rows[r, at] / right)
        if (r + 1 - begin) % BUNDLE == 0 or r + 1 == end:
            for k in range(product.size):
                density += wrong * math.log(product[k])
                product[k] = 1.0
    return density


@compiled
def uneven_rise(begin: int, end: int, label: Ints, prior: Floats, rows: Floats, product: Floats) -> float:
    """Give the same where they are not."""
    density = 0.0
    for r in range(begin, end):
        for k in range(product.size):
            before = prior[label[r], k] + FLOOR
            density += before * math.log(rows[r, k] / before)
    return density


class SparseDawidSkene(Fit):
    """
    The fit.

    Attributes
    ----------
    weights : (n_rows, room) float64
        Confusion of answered rows, by true label; what a row has room for beyond its labels is 0.
    totals : (n_workers, n_labels) float64
        Counts and prior by true label.
    shares : (n_labels,) float64
        Prevalence.

    """

    method = "dawid_skene"

    def __init__(self, table: LabelTable, clamp: Clamp, blocks: Blocks, prior: Prior, rows: Rows) -> None:
        room = width(table.n_labels)
        super().__init__(table, clamp, blocks, room=room, rows=rows)
        self.prior, self.rows = prior, rows
        confusion = prior.confusion[None] if prior.confusion.ndim == 2 else prior.confusion
        self._prior_counts: Floats = np.ascontiguousarray(confusion.transpose(0, 2, 1), dtype=np.float64)
        self._columns: Floats = self._prior_counts.sum(axis=1) + table.n_labels * FLOOR
        self._density = _density(self._prior_counts) * (1 if confusion.shape[0] > 1 else table.n_workers)
        self._even = np.array([_is_even(own) for own in self._prior_counts])
        self.weights: Floats = zeros(len(rows), room)
        self.totals: Floats = empty(table.n_workers, table.n_labels)
        self.shares: Floats = np.empty(table.n_labels)
        self._gold = clamp.accepted / np.maximum(clamp.accepted.sum(axis=1, keepdims=True), 1)
        self._kernel = long_rows.expect_for(table.n_labels)

    def maximise(self) -> None:
        """Set the modes that the counts and the prior imply."""
        rows = self.rows
        given = rows.first, rows.label, self.counts, self._prior_counts, self._even, self._columns

        def set_some(first: int, last: int) -> float:
            return normalise(first, last, *given, self.weights, self.totals, np.empty(self.shares.size))

        density = self._density + sum(self.blocks.share(self.table.n_workers, set_some))
        weight = self.class_counts.sum(axis=0) + self.prior.prevalence + FLOOR
        self.shares[:] = weight / weight.sum()
        self.penalty = density + float((self.prior.prevalence + FLOOR) @ np.log(self.shares))

    def resume(self, earlier: Result) -> None:
        """
        Set the parameters of an earlier result; workers who came since then begin where the prior is.

        A result without confusion says what it can: its posterior.
        """
        if earlier.confusion is None or earlier.prevalence.size != self.table.n_labels:
            self.begin(posterior_from(earlier, self.table, self.clamp))
            return
        self.begin_with_nothing()
        rows = self.rows
        known = rows.worker < earlier.confusion.shape[0]
        was = earlier.confusion.transpose(0, 2, 1)[rows.worker[known], rows.label[known]]
        self.weights[known, : self.table.n_labels] = np.maximum(was, FLOOR)
        self.shares[:] = np.maximum(earlier.prevalence, FLOOR) / np.maximum(earlier.prevalence, FLOOR).sum()

    def confusion(self) -> Floats:
        """Give the confusion matrices, (n_workers, true, answered)."""
        n_labels = self.table.n_labels
        confusion = empty(self.table.n_workers, n_labels, n_labels)
        prior = np.ascontiguousarray(self._prior_counts.transpose(0, 2, 1)) + FLOOR
        np.divide(prior, self.totals[:, :, None], out=confusion)
        self.rows.put(self.weights, confusion)
        return confusion

    def prevalence(self) -> Floats:
        """Give the share of each label, (n_labels,)."""
        return self.shares.copy()

    def _expect(self, block: int, first: int, last: int) -> tuple[float, float]:
        return self._kernel(
            first,
            last,
            self.table.offsets,
            self.cells,
            self.clamp.row,
            self._gold,
            self.shares,
            self.weights,
            self.posterior,
            self.counts[block],
            self.class_counts[block],
            True,
        )


def _density(prior: Floats) -> float:
    """Give the log density of unanswered rows, were each column to sum to 1, of all priors."""
    return sum(float(((own + FLOOR) * np.log(own + FLOOR)).sum()) for own in prior)


def _is_even(prior: Floats) -> bool:
    """Say whether all wrong answers are as likely."""
    wrong = prior[~np.eye(prior.shape[0], dtype=np.bool_)]
    return bool((wrong == wrong[0]).all())


def is_sparse(table: LabelTable, most_in_lanes: int) -> bool:
    """Say whether a table asks for it."""
    return table.n_labels > most_in_lanes and table.n_workers * table.n_labels**2 > table.n_answers
