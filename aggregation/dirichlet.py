"""Compiled parts of variational Bayes with Dirichlet distributions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from aggregation.compiler import compiled

if TYPE_CHECKING:
    from aggregation.arrays import Floats

# A count of less is none: most of a worker's cells have next to nothing, and a digamma each.
LEAST = 1e-12


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
def expected_logs(counts: Floats, prior: Floats, log_confusion: Floats) -> float:
    """Set the expected logarithms of workers' confusion under its Dirichlet posterior.

    Parameters
    ----------
    counts : (n_blocks, n_workers, n_labels, n_states)
    prior : (1 or n_workers, n_labels, n_labels)
        Dirichlet parameters by answered and true label; all subtypes of a label share them.
    log_confusion : (n_workers, n_labels, n_states), set

    Returns
    -------
    float
        The Kullback-Leibler divergence of the posterior from the prior, summed over workers and states.

    """
    n_blocks, n_workers, n_labels, n_states = counts.shape
    subtypes = n_states // n_labels
    divergence = 0.0
    prior_digamma = np.empty((n_labels, n_labels))
    for w in range(n_workers):
        own = prior[w if prior.shape[0] > 1 else 0]
        if w == 0 or prior.shape[0] > 1:
            digammas(own, prior_digamma)
        out = log_confusion[w]
        out[:] = 0.0
        for b in range(n_blocks):
            out += counts[b, w]
        for s in range(n_states):
            k = s // subtypes
            divergence += row_logs(out[:, s], own[:, k], prior_digamma[:, k])
    return divergence


@compiled
def digammas(values: Floats, out: Floats) -> None:
    """Compute digamma of a matrix; values next to an equal one, as most of a prior's are, cost nothing."""
    last, last_digamma = -1.0, 0.0
    for a in range(values.shape[0]):
        for k in range(values.shape[1]):
            if values[a, k] != last:
                last, last_digamma = values[a, k], digamma(values[a, k])
            out[a, k] = last_digamma


@compiled
def row_logs(row: Floats, prior: Floats, prior_digamma: Floats) -> float:
    """Turn the counts of a row into expected logarithms, in place, and return its divergence from the prior."""
    before = prior.sum()
    after = before + row.sum()
    base = digamma(after)
    divergence = 0.0
    if after > before:
        divergence = math.lgamma(after) - math.lgamma(before)
    for a in range(row.size):
        n = row[a]
        if n > LEAST:
            row[a] = digamma(n + prior[a]) - base
            divergence += n * row[a] + math.lgamma(prior[a]) - math.lgamma(n + prior[a])
        else:
            row[a] = prior_digamma[a] - base
    return divergence


@compiled
def pooling_counts(
    counts: Floats, accuracy: Floats, strength: float, spread: float, right: Floats, wrong: Floats
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
        right[w] = wrong[w] = 0.0
        for s in range(n_states):
            n_all = 0.0
            for a in range(n_labels):
                n = counts[w, a, s]
                if n > LEAST:
                    n_all += n
                    if a == s // subtypes:
                        right[w] += mean_right * (digamma(n + mean_right + spread) - right_base)
                    else:
                        wrong[w] += mean_wrong * (digamma(n + mean_wrong + spread) - wrong_base)
            if n_all > 0.0:
                weight += digamma(n_all + total) - total_base
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
    divergence = rows_logs(logs, prior.astype(np.float64).reshape(logs.shape))
    return logs.reshape(counts.shape), divergence


@compiled
def rows_logs(rows: Floats, prior: Floats) -> float:
    """Turn rows of counts into expected logarithms, in place, and return their divergence from the prior."""
    prior_digamma = np.empty_like(prior)
    digammas(prior, prior_digamma)
    divergence = 0.0
    for r in range(rows.shape[0]):
        divergence += row_logs(rows[r], prior[r], prior_digamma[r])
    return divergence
