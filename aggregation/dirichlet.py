"""Compiled parts of variational Bayes with Dirichlet distributions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from aggregation.compiler import compiled

if TYPE_CHECKING:
    from aggregation.arrays import Floats

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
def expected_logs(counts: Floats, prior: Floats, log_confusion: Floats, terms: Floats, bases: Floats) -> float:
    """Set the expected logarithms of workers' confusion under its Dirichlet posterior.

    Cells are walked in the order of memory: a column of a thousand labels is in no cache.

    Parameters
    ----------
    counts : (n_blocks, n_workers, n_labels, n_states)
    prior : (1 or n_workers, n_labels, n_labels)
        Dirichlet parameters by answered and true label; all subtypes of a label share them.
    log_confusion : (n_workers, n_labels, n_states), set
    terms, bases : (n_labels, n_labels, 3) and (n_states,), to work in

    Returns
    -------
    float
        The Kullback-Leibler divergence of the posterior from the prior, summed over workers and states.

    """
    n_blocks, n_workers, n_labels, n_states = counts.shape
    subtypes = n_states // n_labels
    divergence = 0.0
    for w in range(n_workers):
        own = prior[w if prior.shape[0] > 1 else 0]
        if w == 0 or prior.shape[0] > 1:
            prior_terms(own, terms)
        out = log_confusion[w]
        for s in range(n_states):
            bases[s] = 0.0
        for a in range(n_labels):
            for s in range(n_states):
                n = 0.0
                for b in range(n_blocks):
                    n += counts[b, w, a, s]
                out[a, s] = n
                bases[s] += n
        divergence += column_bases(own, bases)
        for a in range(n_labels):
            for k in range(n_labels):
                before = own[a, k]
                for s in range(k * subtypes, (k + 1) * subtypes):
                    n = out[a, s]
                    out[a, s], apart = cell_log(n, before, terms[a, k], bases[s])
                    divergence += apart
    return divergence


@compiled
def column_bases(prior: Floats, bases: Floats) -> float:
    """Turn each count of a state into the digamma of it and its prior, in place; give what it adds to the divergence.

    Parameters
    ----------
    prior : (n_labels, n_labels), by answered and true label
    bases : (n_states,)

    """
    n_labels, divergence = prior.shape[0], 0.0
    subtypes = bases.size // n_labels
    for k in range(n_labels):
        before = 0.0
        for a in range(n_labels):
            before += prior[a, k]
        start = gammas(before)[1]
        for s in range(k * subtypes, (k + 1) * subtypes):
            bases[s], log_gamma = gammas(before + bases[s])
            divergence += log_gamma - start
    return divergence


@compiled
def cell_log(n: float, prior: float, terms: Floats, base: float) -> tuple[float, float]:
    """Compute the expected logarithm of a cell with count ``n``, and what it adds to the divergence."""
    if n > TINY * prior:
        slope, log_gamma = gammas(n + prior)
        log = slope - base
        return log, n * log + terms[1] - log_gamma
    return terms[0] + n * terms[2] - base, n * (0.5 * n * terms[2] - base)


@compiled
def prior_terms(values: Floats, out: Floats) -> None:
    """Compute digamma, log gamma and trigamma of a matrix; a value next to an equal one, as most are, costs nothing."""
    last, slope, log_gamma, bend = -1.0, 0.0, 0.0, 0.0
    for a in range(values.shape[0]):
        for k in range(values.shape[1]):
            if values[a, k] != last:
                last = values[a, k]
                slope, log_gamma = gammas(last)
                bend = trigamma(last)
            out[a, k, 0], out[a, k, 1], out[a, k, 2] = slope, log_gamma, bend


@compiled
def row_logs(row: Floats, prior: Floats, terms: Floats) -> float:
    """Turn the counts of a row into expected logarithms, in place, and return its divergence from the prior.

    ``terms``, (n_labels, 3), are digamma, log gamma and trigamma of the prior.
    """
    before = prior.sum()
    after = before + row.sum()
    base, divergence = gammas(after)
    divergence -= gammas(before)[1]
    for a in range(row.size):
        row[a], apart = cell_log(row[a], prior[a], terms[a], base)
        divergence += apart
    return divergence


@compiled
def pooling_counts(
    counts: Floats, accuracy: Floats, strength: float, spread: float, right: Floats, wrong: Floats, totals: Floats
) -> float:
    """Count what speaks for a worker's accuracy and for the strength of pooling: one step of Minka's fixed point.

    The prior of worker j's row for true label k is Dirichlet with parameters ``strength * accuracy[j] + spread``
    for a right answer and ``strength * (1 - accuracy[j]) / (n_labels - 1) + spread`` for each wrong one. Its
    evidence, a ratio of gamma functions, is bounded below by a function of the logarithms of accuracy and
    strength that touches it at their present values (T. Minka, Estimating a Dirichlet distribution, 2000);
    the constant ``spread`` takes its share of each logarithm by Jensen's inequality.

    Parameters
    ----------
    counts : (n_workers, n_labels, n_states)
    right, wrong : (n_workers,), set
    totals : (n_states,), to work in

    Returns
    -------
    float
        The weight on ``-strength``.

    """
    n_workers, n_labels, n_states = counts.shape
    subtypes = n_states // n_labels
    total = strength + n_labels * spread
    total_base = digamma(total)
    weight = 0.0
    for w in range(n_workers):
        mean_right = strength * accuracy[w]
        mean_wrong = strength * (1.0 - accuracy[w]) / (n_labels - 1)
        right_base, wrong_base = digamma(mean_right + spread), digamma(mean_wrong + spread)
        right_bend, wrong_bend = trigamma(mean_right + spread), trigamma(mean_wrong + spread)
        right[w] = wrong[w] = 0.0
        for s in range(n_states):
            totals[s] = 0.0
        for a in range(n_labels):
            for s in range(n_states):
                n = counts[w, a, s]
                totals[s] += n
                if a == s // subtypes:
                    prior, base, bend = mean_right + spread, right_base, right_bend
                else:
                    prior, base, bend = mean_wrong + spread, wrong_base, wrong_bend
                grown = digamma(n + prior) - base if n > TINY * prior else n * bend
                if a == s // subtypes:
                    right[w] += mean_right * grown
                else:
                    wrong[w] += mean_wrong * grown
        for s in range(n_states):
            if totals[s] > 0.0:
                weight += digamma(totals[s] + total) - total_base
    return weight


def dirichlet_logs(counts: Floats, prior: Floats) -> tuple[Floats, float]:
    """
    Give the expected logarithms under Dirichlet posteriors, and their divergence from the prior.

    Parameters
    ----------
    counts, prior : (..., n)
        The last axis is the one that sums to 1.

    """
    logs = counts.astype(np.float64).reshape(-1, counts.shape[-1])
    divergence = rows_logs(logs, prior.astype(np.float64).reshape(logs.shape), np.empty((*logs.shape, 3)))
    return logs.reshape(counts.shape), divergence


@compiled
def rows_logs(rows: Floats, prior: Floats, terms: Floats) -> float:
    """Turn rows of counts into expected logarithms, in place, and return their divergence from the prior.

    ``terms``, (n_rows, n, 3), is to work in.
    """
    prior_terms(prior, terms)
    divergence = 0.0
    for r in range(rows.shape[0]):
        divergence += row_logs(rows[r], prior[r], terms[r])
    return divergence
