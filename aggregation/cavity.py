"""How well a fit foresees each answer from all the others.

Of a Bayesian fit each answer is taken out once more: its item's distribution loses the factor that this answer was,
its worker's counts lose the answer's share, and what is left foresees it. That stands for leaving the answer out and
fitting again, at the cost of one pass (the cavity distribution of M. Opper and O. Winther 2000, Gaussian processes for
classification; as in leaving one out by A. Vehtari et al. 2016, Bayesian leave-one-out cross-validation
approximations for Gaussian latent variable models).

Several fits are averaged with the weights that foresee best together, by their mixture's likelihood: stacking of
predictive distributions (Y. Yao, A. Vehtari, D. Simpson, A. Gelman 2018, Bayesian Analysis 13(3)).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from aggregation.compiler import compiled

if TYPE_CHECKING:
    import numpy.typing as npt

    from aggregation.arrays import Floats, Ints

# An answer is never foreseen with less, so that one cannot decide a mean.
LEAST = 1e-9
STEPS, SETTLED = 500, 1e-9
# Of weights: next to none; how much of the way to none one step may go; what keeps models apart that foresee alike.
EMPTY, NEARLY, RIDGE = 1e-12, 0.99, 1e-12


@compiled
def foresee(
    first: int,
    last: int,
    offsets: Ints,
    worker: npt.NDArray[Any],
    cells: npt.NDArray[Any],
    posterior: Floats,
    log_confusion: Floats,
    counts: Floats,
    prior: Floats,
    totals: Floats,
    foreseen: Floats,
    logs: Floats,
    rest: Floats,
) -> None:
    """Give the probability of each answer to some items by the rest of all answers.

    Parameters
    ----------
    posterior : (n_items, n_states)
    cells : (n_answers,)
        In which row each answer is.
    log_confusion, counts : (n_rows, n_states)
    prior : (n_rows, n_labels)
        Dirichlet parameters by true label.
    totals : (n_workers, n_states)
        Counts with the prior, over all answered labels.
    foreseen : (n_answers,), set
    logs, rest : (n_states,), to work in

    """
    n_states = counts.shape[1]
    subtypes = n_states // prior.shape[1]
    for i in range(first, last):
        for s in range(n_states):
            logs[s] = math.log(posterior[i, s]) if posterior[i, s] > 0.0 else -math.inf
        for n in range(offsets[i], offsets[i + 1]):
            w, r = worker[n], cells[n]
            top = -math.inf
            for s in range(n_states):
                rest[s] = logs[s] - log_confusion[r, s]
                top = max(top, rest[s])
            weight, chance = 0.0, 0.0
            for s in range(n_states):
                q = posterior[i, s]
                odds = math.exp(rest[s] - top)
                weight += odds
                chance += odds * max(counts[r, s] - q + prior[r, s // subtypes], 0.0) / max(totals[w, s] - q, LEAST)
            foreseen[n] = max(chance / weight, LEAST)


def stack(foreseen: Floats) -> Floats:
    """
    Find the weights, (n_models,), whose mixture foresees best.

    The mean logarithm of what a mixture foresees is concave in its weights, and by it none foresees better than ours by
    more than `SETTLED` nats an answer. Newton's steps stay within what weights may be; where one does not help, a step
    of expectation maximisation does.

    Parameters
    ----------
    foreseen : (n_models, n_answers)

    """
    weights = np.full(foreseen.shape[0], 1 / foreseen.shape[0])
    if not foreseen.size:
        return weights
    score, shares = _mixed(weights, foreseen)
    for _ in range(STEPS):
        gains = shares.mean(axis=1)
        if gains.max() - 1 < SETTLED:  # by how much the best mixture can foresee better, at most
            break
        candidate = _newton(weights, gains, np.einsum("mn,kn->mk", shares, shares) / shares.shape[1])
        reached, candidate_shares = _mixed(candidate, foreseen)
        if reached <= score:
            candidate = weights * gains / gains.dot(weights)
            reached, candidate_shares = _mixed(candidate, foreseen)
        weights, score, shares = candidate, reached, candidate_shares
    return weights


def _mixed(weights: Floats, foreseen: Floats) -> tuple[float, Floats]:
    """Give a mixture's score, and how much better each of its models foresees each answer than it does."""
    mixture = weights @ foreseen
    return float(np.log(mixture).mean()), foreseen / mixture


def _newton(weights: Floats, gains: Floats, bend: Floats) -> Floats:
    """Go where the score would be highest were it a parabola, but not quite so far that a weight is nothing."""
    size = weights.size
    # A weight that has no more to give, and would, stays as it is.
    free = (weights > EMPTY) | (gains > 1)
    slopes = np.zeros((size + 1, size + 1))
    slopes[:size, :size] = np.where(np.outer(free, free), bend, 0.0) + np.diag(np.where(free, RIDGE, 1.0))
    slopes[size, :size] = slopes[:size, size] = free
    step = np.linalg.solve(slopes, np.append(np.where(free, gains, 0.0), 0.0))[:size]
    falling = step < 0
    length = min(1.0, NEARLY * float((-weights[falling] / step[falling]).min())) if falling.any() else 1.0
    moved: Floats = np.maximum(weights + length * step, 0.0)
    moved /= moved.sum()
    return moved
