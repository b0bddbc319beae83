"""Compiled parts of variational Bayes with Dirichlet distributions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from aggregation.compiler import compiled

if TYPE_CHECKING:
    from aggregation.arrays import Floats, Ints

# Most of a worker's cells have next to nothing. Where a count is less than this part of its prior, the logarithm is a
# straight line from the prior's own: what is left out is the square of it, and no digamma is needed.
TINY = 1e-6
HALF_LOG_TWO_PI = 0.9189385332046727


@compiled
def digamma(x: float) -> float:
    """Compute the derivative of log gamma for x > 0 (Abramowitz and Stegun 6.3.5 and 6.3.18), to about 1e-13."""
    numerator, denominator = 0.0, 1.0  # of the sum of 1/x over the steps of the recurrence: one division for all
    while x < 7.0:
        numerator = numerator * x + denominator
        denominator *= x
        x += 1.0
    f = 1.0 / (x * x)
    series = f * (1 / 12 - f * (1 / 120 - f * (1 / 252 - f * (1 / 240 - f * (1 / 132 - f * (691 / 32760))))))
    return math.log(x) - 0.5 / x - series - numerator / denominator


@compiled
def trigamma(x: float) -> float:
    """Compute the second derivative of log gamma for x > 0 (Abramowitz and Stegun 6.4.6 and 6.4.12)."""
    before = 0.0
    while x < 7.0:
        before += 1.0 / (x * x)
        x += 1.0
    f = 1.0 / (x * x)
    return before + f / 2 + (1.0 + f * (1 / 6 - f * (1 / 30 - f * (1 / 42 - f * (1 / 30 - f * 5 / 66))))) / x


@compiled
def gammas(x: float) -> tuple[float, float]:
    """Compute digamma and log gamma for x > 0 together: they share the recurrence and a logarithm."""
    numerator, denominator = 0.0, 1.0
    while x < 7.0:
        numerator = numerator * x + denominator
        denominator *= x
        x += 1.0
    f = 1.0 / (x * x)
    log = math.log(x)
    slopes = f * (1 / 12 - f * (1 / 120 - f * (1 / 252 - f * (1 / 240 - f * (1 / 132 - f * (691 / 32760))))))
    values = (1 / 12 - f * (1 / 360 - f * (1 / 1260 - f * (1 / 1680 - f * (1 / 1188 - f * (691 / 360360)))))) / x
    log_gamma = (x - 0.5) * log - x + HALF_LOG_TWO_PI + values
    if denominator > 1.0 or numerator > 0.0:
        log_gamma -= math.log(denominator)
    return log - 0.5 / x - slopes - numerator / denominator, log_gamma


@compiled
def expected_logs(
    first: int,
    last: int,
    begins: Ints,
    counts: Floats,
    prior: Floats,
    columns: Floats,
    log_confusion: Floats,
    known: Floats,
    bases: Floats,
) -> float:
    """Set the expected logarithms of some workers' confusion under its Dirichlet posterior.

    Cells are walked in the order of memory: a column of a thousand labels is in no cache. Rows that nobody answered are
    where their prior is, and add nothing to the divergence but what their columns do.

    Parameters
    ----------
    begins : (n_workers + 1,)
        Where workers' rows begin.
    counts : (n_blocks, n_rows, n_states)
    prior : (n_rows, n_labels)
        Dirichlet parameters by true label; all subtypes of a label share them.
    columns : (1 or n_workers, n_labels)
        What those of all rows of a worker sum to.
    log_confusion : (n_rows, n_states), set
    known, bases : (2, 4) and (n_states,), to work in

    Returns
    -------
    float
        The Kullback-Leibler divergence of the posterior from the prior, summed over workers and states.

    """
    n_blocks, n_states = counts.shape[0], counts.shape[2]
    n_labels = prior.shape[1]
    subtypes = n_states // n_labels
    known[:] = -1.0
    divergence = 0.0
    for w in range(first, last):
        bases[:] = 0.0
        for r in range(begins[w], begins[w + 1]):
            out = log_confusion[r]
            for s in range(n_states):
                n = 0.0
                for b in range(n_blocks):
                    n += counts[b, r, s]
                out[s] = n
                bases[s] += n
        divergence += column_bases(columns[w if columns.shape[0] > 1 else 0], bases)
        for r in range(begins[w], begins[w + 1]):
            for k in range(n_labels):
                terms = known[find_terms(prior[r, k], known)]
                for s in range(k * subtypes, (k + 1) * subtypes):
                    log_confusion[r, s], apart = cell_log(log_confusion[r, s], terms, bases[s])
                    divergence += apart
    return divergence


@compiled
def column_bases(columns: Floats, bases: Floats) -> float:
    """Turn each count of a state into the digamma of it and its prior, in place; give what it adds to the divergence.

    Parameters
    ----------
    columns : (n_labels,)
        What a worker's prior sums to by true label.
    bases : (n_states,)

    """
    n_labels, divergence = columns.size, 0.0
    subtypes = bases.size // n_labels
    last, start = -1.0, 0.0
    for k in range(n_labels):
        if columns[k] != last:
            last = columns[k]
            start = gammas(last)[1]
        for s in range(k * subtypes, (k + 1) * subtypes):
            bases[s], log_gamma = gammas(last + bases[s])
            divergence += log_gamma - start
    return divergence


@compiled
def cell_log(n: float, terms: Floats, base: float) -> tuple[float, float]:
    """Compute the expected logarithm of a cell with count ``n``, and what it adds to the divergence."""
    if n > TINY * terms[0]:
        slope, log_gamma = gammas(n + terms[0])
        log = slope - base
        return log, n * log + terms[2] - log_gamma
    return terms[1] + n * terms[3] - base, n * (0.5 * n * terms[3] - base)


@compiled
def find_terms(prior: float, known: Floats) -> int:
    """Find a prior's parameter with its digamma, log gamma and trigamma among two that are known, or compute them.

    Most priors have two parameters, one for right answers and one for wrong ones.
    """
    for place in range(2):
        if known[place, 0] == prior:
            return place
    for place in range(known.shape[1]):
        known[1, place] = known[0, place]
    slope, log_gamma = gammas(prior)
    known[0, 0], known[0, 1], known[0, 2], known[0, 3] = prior, slope, log_gamma, trigamma(prior)
    return 0


@compiled
def row_logs(row: Floats, prior: Floats, known: Floats) -> float:
    """Turn the counts of a row into expected logarithms, in place, and return its divergence from the prior."""
    before = prior.sum()
    after = before + row.sum()
    base, divergence = gammas(after)
    divergence -= gammas(before)[1]
    for a in range(row.size):
        row[a], apart = cell_log(row[a], known[find_terms(prior[a], known)], base)
        divergence += apart
    return divergence


@compiled
def pooling_counts(
    first: int,
    last: int,
    begins: Ints,
    label: Ints,
    counts: Floats,
    n_labels: int,
    accuracy: Floats,
    strength: float,
    spread: float,
    right: Floats,
    wrong: Floats,
    totals: Floats,
) -> float:
    """Count what speaks for some workers' accuracy and for the strength of pooling: one step of Minka's fixed point.

    The prior of worker j's row for true label k is Dirichlet with parameters ``strength * accuracy[j] + spread``
    for a right answer and ``strength * (1 - accuracy[j]) / (n_labels - 1) + spread`` for each wrong one. Its
    evidence, a ratio of gamma functions, is bounded below by a function of the logarithms of accuracy and
    strength that touches it at their present values (T. Minka, Estimating a Dirichlet distribution, 2000);
    the constant ``spread`` takes its share of each logarithm by Jensen's inequality.

    Parameters
    ----------
    begins, label : (n_workers + 1,) and (n_rows,)
        Where workers' rows begin, and which label was answered.
    counts : (n_rows, n_states)
    right, wrong : (n_workers,), set
    totals : (n_states,), to work in

    Returns
    -------
    float
        The weight on ``-strength``.

    """
    n_states = counts.shape[1]
    subtypes = n_states // n_labels
    total = strength + n_labels * spread
    total_base = digamma(total)
    weight = 0.0
    for w in range(first, last):
        mean_right = strength * accuracy[w]
        mean_wrong = strength * (1.0 - accuracy[w]) / (n_labels - 1)
        right_base, wrong_base = digamma(mean_right + spread), digamma(mean_wrong + spread)
        right_bend, wrong_bend = trigamma(mean_right + spread), trigamma(mean_wrong + spread)
        grown_right, grown_wrong = 0.0, 0.0
        totals[:] = 0.0
        for r in range(begins[w], begins[w + 1]):
            own = label[r] * subtypes
            for s in range(n_states):
                totals[s] += counts[r, s]
                if s < own or s >= own + subtypes:
                    grown_wrong += growth(counts[r, s], mean_wrong + spread, wrong_base, wrong_bend)
                else:
                    grown_right += growth(counts[r, s], mean_right + spread, right_base, right_bend)
        right[w], wrong[w] = mean_right * grown_right, mean_wrong * grown_wrong
        for s in range(n_states):
            if totals[s] > 0.0:
                weight += digamma(totals[s] + total) - total_base
    return weight


@compiled
def growth(n: float, prior: float, base: float, bend: float) -> float:
    """Compute by how much a count raises the digamma of its prior, of which ``base`` and ``bend`` are known."""
    return digamma(n + prior) - base if n > TINY * prior else n * bend


def dirichlet_logs(counts: Floats, prior: Floats) -> tuple[Floats, float]:
    """
    Give the expected logarithms under Dirichlet posteriors, and their divergence from the prior.

    Parameters
    ----------
    counts, prior : (..., n)
        The last axis is the one that sums to 1.

    """
    logs = counts.astype(np.float64).reshape(-1, counts.shape[-1])
    divergence = rows_logs(logs, prior.astype(np.float64).reshape(logs.shape), np.full((2, 4), -1.0))
    return logs.reshape(counts.shape), divergence


@compiled
def rows_logs(rows: Floats, prior: Floats, known: Floats) -> float:
    """Turn rows of counts into expected logarithms, in place, and return their divergence from the prior.

    ``known``, (2, 4), is to work in; see `find_terms`.
    """
    divergence = 0.0
    for r in range(rows.shape[0]):
        divergence += row_logs(rows[r], prior[r], known)
    return divergence
