"""crowd-kit computes the same where the models coincide."""

import warnings

import numpy as np
import pandas as pd
import pytest
from crowds import read_set, simulate

from aggregation import Prior, aggregate

pytestmark = pytest.mark.filterwarnings("ignore::aggregation.ConvergenceWarning")


def crowdkit_dawid_skene(table, n_iter):
    from crowdkit.aggregation import DawidSkene

    frame = pd.DataFrame({"task": table.item, "worker": table.worker, "label": table.label})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return DawidSkene(n_iter=n_iter, tol=-np.inf).fit(frame)


def compare(table, n_iter, atol):
    """Compare every element after the same number of iterations from the same start, without a prior."""
    ours = aggregate(table, prior=Prior.none(table.n_labels), max_iter=n_iter, tol=0, accelerate=False)
    theirs = crowdkit_dawid_skene(table, n_iter)
    columns = theirs.errors_.columns.to_numpy(dtype=int)
    np.testing.assert_allclose(ours.prevalence[columns], theirs.priors_.to_numpy(), rtol=0, atol=atol)
    for (worker, answered), row in theirs.errors_.iterrows():
        np.testing.assert_allclose(ours.confusion[worker, columns, answered], row.to_numpy(), rtol=0, atol=atol)
    # Our posterior is the one of the final parameters, which crowd-kit comes to in its next iteration.
    probabilities = crowdkit_dawid_skene(table, n_iter + 1).probas_.sort_index()
    np.testing.assert_allclose(ours.posterior[:, columns], probabilities.to_numpy(), rtol=0, atol=atol)


@pytest.mark.parametrize("n_iter", [1, 5])
@pytest.mark.parametrize("n_labels", [2, 4])
def test_dawid_skene_on_simulated_answers(n_labels, n_iter):
    compare(simulate(n_items=120, n_workers=9, n_labels=n_labels, accuracy=(0.5, 0.8))[0], n_iter, atol=1e-8)


@pytest.mark.parametrize("name", ["rte", "senti1k"])
def test_dawid_skene_on_recorded_answers(name):
    # Of a label that a worker never gave, crowd-kit keeps no floor: rows with next to no weight differ a little.
    compare(read_set(name)[0], 10, atol=2e-6)


def test_majority_vote_on_simulated_answers():
    from crowdkit.aggregation import MajorityVote

    table, _ = simulate()
    frame = pd.DataFrame({"task": table.item, "worker": table.worker, "label": table.label})
    expected = MajorityVote().fit_predict_proba(frame).sort_index()[[0, 1, 2]].to_numpy()
    np.testing.assert_allclose(aggregate(table, method="majority").posterior, expected)
