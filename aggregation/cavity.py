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
STEPS, SETTLED = 500, 1e-6


@compiled
def foresee(
    offsets: Ints,
    worker: npt.NDArray[Any],
    label: npt.NDArray[Any],
    posterior: Floats,
    log_confusion: Floats,
    counts: Floats,
    prior: Floats,
    foreseen: Floats,
    totals: Floats,
    rest: Floats,
) -> None:
    """Give each answer's probability by the rest of them.

    Parameters
    ----------
    posterior : (n_items, n_states)
    log_confusion, counts : (n_workers, n_labels, n_states)
    prior : (1 or n_workers, n_labels, n_labels)
        Dirichlet parameters by answered and true label.
    foreseen : (n_answers,), set
    totals, rest : (n_workers, n_states) and (n_states,), to work in

    """
    n_workers, n_labels, n_states = counts.shape
    subtypes = n_states // n_labels
    for w in range(n_workers):
        own = prior[w if prior.shape[0] > 1 else 0]
        for s in range(n_states):
            total = 0.0
            for a in range(n_labels):
                total += counts[w, a, s] + own[a, s // subtypes]
            totals[w, s] = total
    for i in range(offsets.size - 1):
        for n in range(offsets[i], offsets[i + 1]):
            w, y = worker[n], label[n]
            own = prior[w if prior.shape[0] > 1 else 0]
            top = -math.inf
            for s in range(n_states):
                rest[s] = -math.inf
                if posterior[i, s] > 0.0:
                    rest[s] = math.log(posterior[i, s]) - log_confusion[w, y, s]
                top = max(top, rest[s])
            weight, chance = 0.0, 0.0
            for s in range(n_states):
                q = posterior[i, s]
                odds = math.exp(rest[s] - top)
                weight += odds
                chance += odds * max(counts[w, y, s] - q + own[y, s // subtypes], 0.0) / max(totals[w, s] - q, LEAST)
            foreseen[n] = max(chance / weight, LEAST)


def stack(foreseen: Floats) -> Floats:
    """
    Find the weights, (n_models,), whose mixture foresees best: by expectation maximisation, which never does worse.

    Parameters
    ----------
    foreseen : (n_models, n_answers)

    """
    weights = np.full(foreseen.shape[0], 1 / foreseen.shape[0])
    if not foreseen.size:
        return weights
    for _ in range(STEPS):
        before = weights
        weights = before * (foreseen / (before @ foreseen)).mean(axis=1)
        weights /= weights.sum()
        if np.abs(weights - before).max() < SETTLED:
            break
    return weights
