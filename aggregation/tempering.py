"""How much n answers to an item are worth, where workers err together.

Models of this kind take workers to err apart, given the label, and so are far too sure: the more answers an item has,
the more so. An item that is hard is hard for all of them. Answers that correlate by r within an item are worth
n / (1 + r (n - 1)) that do not (L. Kish 1965, Survey Sampling, section 5.4: the design effect), so the evidence of an
item's answers is divided by 1 + r (n - 1).

The correlation is learnt from the answers alone. Each answer is foreseen from the item's other answers, by evidence
that is divided like that: were they as good as independent, undivided evidence would foresee best. What all workers
get wrong together does not show that way. So confidence is averaged with how the answers were shared, for which the
correlation would be 1.

Evidence is counted anew from the labels that a method gave, with rows of confusion pooled as in `bayes.Pooled`. An
item has no part in what is believed of its own workers: else who answered little would confirm themselves. All is in
logarithms, so that sixty answers alike do not end at what a probability can hold.

Chosen by looking at twelve public sets: what the shares weigh. Between a fifth and a third the mean calibration error
is the same.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise, starmap
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from aggregation import tempering_steps
from aggregation.majority import shares
from aggregation.wawa import agreement, weighted_shares

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aggregation.arrays import Floats, Ints
    from aggregation.gold import Clamp
    from aggregation.prior import Prior
    from aggregation.table import LabelTable

# What the shares of the answers weigh beside the tempered evidence.
SHARES = 0.2
# Correlations that are compared, a priori alike; they lie apart by about equal factors.
CORRELATIONS = (0.02, 0.03, 0.05, 0.07, 0.1, 0.14, 0.2, 0.28, 0.4, 0.56, 0.8, 1.1)
# What is expected of a worker before any answer, as counts right and wrong, and what each row of confusion is centred
# on them by, with what each cell has besides: the figures that `bayes.Pooled` begins with.
RIGHT, WRONG, STRENGTH, SPREAD = 3.0, 1.0, 5.0, 0.02
# Where confusion would have more cells, the posterior itself is tempered, by a correlation usual in recorded sets.
MOST_CELLS, USUAL = 20_000_000, 0.3
# Cells of answer and label that are held at once; the correlation is learnt from about so many.
PART = 2_000_000
LEAST = 1e-300


def tempered(
    table: LabelTable, clamp: Clamp, posterior: Floats, prior: Prior | None = None, *, weight: float = SHARES
) -> tuple[Floats, float]:
    """
    Give honest probabilities of each item's labels, (n_items, n_labels), and the correlation they were tempered by.

    Parameters
    ----------
    posterior : (n_items, n_labels)
        What a method made of the table.
    prior : Prior, optional
        What was known of the workers before.
    weight : float
        What the shares of the answers weigh.

    """
    votes, _ = shares(table, clamp)
    weighed, _ = weighted_shares(table, clamp, agreement(table, votes))
    answered = table.answers_per_item > 0
    if not answered.any():
        return posterior.copy(), USUAL
    prevalence = posterior[answered & ~clamp.known].sum(axis=0) + 1.0
    log_prevalence = np.log(prevalence / prevalence.sum())
    if table.n_workers * table.n_labels**2 <= MOST_CELLS:
        belief = _Belief(table, posterior, prior)
        correlation = _correlation(table, clamp, belief, log_prevalence)
        evidence = np.concatenate([part.sums(belief.logs(part)) for part in _parts(table)])
    else:
        correlation = USUAL
        evidence = np.log(np.maximum(posterior, LEAST)) - log_prevalence
    divisor = 1 + correlation * np.maximum(table.answers_per_item - 1, 0)
    cooled = _normal(log_prevalence + evidence / divisor[:, None])
    mixed = clamp.apply((1 - weight) * cooled + weight * weighed)
    unanswered = ~answered & ~clamp.known
    mixed[unanswered] = posterior[unanswered]
    return mixed, correlation


class _Part(NamedTuple):
    """Some of a table's items, and their answers in the table's order."""

    table: LabelTable
    first: int
    last: int

    @property
    def answers(self) -> slice:
        return slice(int(self.table.offsets[self.first]), int(self.table.offsets[self.last]))

    @property
    def per_item(self) -> Ints:
        return np.diff(self.table.offsets[self.first : self.last + 1])

    @property
    def item(self) -> Ints:
        """Name the item of each answer."""
        return np.repeat(np.arange(self.first, self.last), self.per_item)

    def sums(self, values: Floats) -> Floats:
        """Add up what each answer has, (n_answers, n_labels), to what each item has."""
        per_item = self.per_item
        sums = np.zeros((per_item.size, values.shape[1]))
        if values.size:
            starts = np.cumsum(per_item) - per_item
            sums[per_item > 0] = np.add.reduceat(values, starts[per_item > 0])
        return sums


def _parts(table: LabelTable) -> Iterator[_Part]:
    """Cut a table into parts of about `PART` cells of answer and label."""
    n_parts = 1 + table.n_answers * table.n_labels // PART
    cuts = np.searchsorted(table.offsets, np.linspace(0, table.n_answers, n_parts + 1)[1:-1])
    bounds = [0, *(int(cut) for cut in cuts), table.n_items]
    return starmap(partial(_Part, table), pairwise(bounds))


class _Belief:
    """What is believed of each worker, without an item's own answer."""

    def __init__(self, table: LabelTable, posterior: Floats, prior: Prior | None) -> None:
        self.posterior = posterior
        n_workers, n_labels = table.n_workers, table.n_labels
        cell, item = table.worker * np.int64(n_labels) + table.label, table.item
        counts = [np.bincount(cell, posterior[item, k], n_workers * n_labels) for k in range(n_labels)]
        self.cells: Floats = np.stack(counts, axis=1)  # by worker and label answered, then by true label
        by_worker = self.cells.reshape(n_workers, n_labels, n_labels)
        self.rows = by_worker.sum(axis=1)
        self.right = by_worker.diagonal(axis1=1, axis2=2).sum(axis=1)
        self.wrong = self.rows.sum(axis=1) - self.right
        before = _expected(prior, n_workers)
        self.right, self.wrong = self.right + before[0], self.wrong + before[1]

    def logs(self, part: _Part) -> Floats:
        """Give the log probability of each answer by true label, (n_answers, n_labels)."""
        worker, label = part.table.worker[part.answers], part.table.label[part.answers].astype(np.int64)
        own, each, n_labels = self.posterior[part.item], np.arange(label.size), self.posterior.shape[1]
        right = self.right[worker] - own[each, label]
        accuracy = right / (self.right[worker] + self.wrong[worker] - 1)
        centre = np.repeat(((1 - accuracy) / (n_labels - 1))[:, None], n_labels, axis=1)
        centre[each, label] = accuracy
        cells = self.cells[worker * np.int64(n_labels) + label] - own
        rows = self.rows[worker] - own
        logs: Floats = np.log((cells + STRENGTH * centre + SPREAD) / (rows + STRENGTH + n_labels * SPREAD))
        return logs


def _correlation(table: LabelTable, clamp: Clamp, belief: _Belief, log_prevalence: Floats) -> float:
    """Give the mean of the correlations, each as likely as it foresees answers to items that are not gold."""
    every = 1 + table.n_answers * table.n_labels // PART
    sample = table.keep((table.item % every == 0) & ~clamp.known[table.item])
    correlations = np.array(CORRELATIONS)
    scores = np.zeros(correlations.size)
    for part in _parts(sample):
        offsets = np.append(0, np.cumsum(part.per_item))
        scores += tempering_steps.scores(offsets, belief.logs(part), log_prevalence, correlations)
    likely = np.exp(scores - scores.max())
    return float(likely @ correlations / likely.sum())


def _expected(prior: Prior | None, n_workers: int) -> tuple[Floats, Floats]:
    """Give right and wrong answers expected of each worker; a prior may expect nothing, and evidence cannot."""
    right, wrong = np.full(n_workers, RIGHT), np.full(n_workers, WRONG)
    if prior is None or not (prior.confusion > 0).all():
        return right, wrong
    return prior.accuracy_counts(n_workers)


def _normal(logs: Floats) -> Floats:
    chances: Floats = np.exp(logs - logs.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    return chances
