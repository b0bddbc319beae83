"""crowd-kit computes the same where the models coincide."""

import warnings

import numpy as np
import pandas as pd
import pytest
from crowds import read_set, simulate

from aggregation import LabelTable, Prior, aggregate

pytestmark = pytest.mark.filterwarnings("ignore::aggregation.ConvergenceWarning")


def frame_of(table):
    return pd.DataFrame({"task": table.item, "worker": table.worker, "label": table.label})


def crowdkit_dawid_skene(table, n_iter):
    from crowdkit.aggregation import DawidSkene

    frame = frame_of(table)
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
    expected = MajorityVote().fit_predict_proba(frame_of(table)).sort_index()[[0, 1, 2]].to_numpy()
    np.testing.assert_allclose(aggregate(table, method="majority").posterior, expected)


def test_wawa_where_nothing_ties():
    """Where labels tie, ours share the agreement and crowd-kit takes one of them."""
    from crowdkit.aggregation import Wawa

    from aggregation.wawa import agreement

    table, _ = simulate(n_labels=2)
    model = Wawa()
    expected = model.fit_predict_proba(frame_of(table)).sort_index()[[0, 1]].to_numpy()
    votes = aggregate(table, "majority").posterior
    np.testing.assert_allclose(agreement(table, votes), model.skills_.sort_index().to_numpy())
    np.testing.assert_allclose(aggregate(table, "wawa").posterior, expected)


@pytest.mark.parametrize("n_iter", [1, 6])
def test_one_coin(n_iter):
    from crowdkit.aggregation import OneCoinDawidSkene

    table, _ = simulate(n_items=120, n_workers=9, accuracy=(0.5, 0.8))
    prior = Prior.diagonal(3, right=1e-13, wrong=1e-13, prevalence=0)
    ours = aggregate(table, "one_coin", prior=prior, max_iter=n_iter, tol=0)
    theirs, later = (OneCoinDawidSkene(n_iter=n, tol=-np.inf).fit(frame_of(table)) for n in (n_iter, n_iter + 1))
    np.testing.assert_allclose(ours.confusion[:, 1, 1], theirs.skills_.sort_index().to_numpy(), atol=1e-9)
    np.testing.assert_allclose(ours.prevalence, theirs.priors_[[0, 1, 2]].to_numpy(), atol=1e-9)
    np.testing.assert_allclose(ours.posterior, later.probas_.sort_index()[[0, 1, 2]].to_numpy(), atol=1e-9)


@pytest.mark.filterwarnings("ignore::Warning:crowdkit")
@pytest.mark.parametrize("n_iter", [1, 6])
def test_mace(n_iter):
    """From crowd-kit's own start, with what it adds to counts, and labels that are all as likely beforehand."""
    from crowdkit.aggregation import MACE

    from aggregation.blocks import Blocks
    from aggregation.coin import Mace
    from aggregation.gold import Clamp

    table, _ = simulate(n_items=120, n_workers=9, accuracy=(0.5, 0.8))
    # It adds up counts by name and keeps parameters by first appearance: so both are made the same.
    table = LabelTable.from_arrays(table.item, pd.factorize(table.worker)[0], table.label, n_labels=3)
    table = LabelTable.from_arrays(table.item, table.worker, pd.factorize(table.label)[0], n_labels=3)
    theirs = MACE(n_restarts=1, n_iter=n_iter, method="em", random_state=3)
    theirs._initialize(9, 3)
    prior = Prior.diagonal(3, right=0.01 / 3, wrong=0.01 / 3, prevalence=1e15)
    with Blocks(table, 81, threads=1) as blocks:
        ours = Mace(table, Clamp.from_gold(None, 120, 3), blocks, prior)
        ours.habit_counts = 0.01
        ours.knows, ours.habit = theirs.spamming_[:, 1], theirs.thetas_
        ours.log_prevalence[:] = -np.log(3)
        ours.weigh()
        posterior = ours.climb(n_iter, 0.0).posterior
    theirs.fit(frame_of(table))
    np.testing.assert_allclose(ours.knows, theirs.spamming_[:, 1], atol=1e-9)
    np.testing.assert_allclose(ours.habit, theirs.thetas_, atol=1e-9)
    np.testing.assert_allclose(posterior, theirs.probas_.sort_index()[[0, 1, 2]].to_numpy(), atol=1e-9)


def test_glads_summit_is_where_crowdkits_gradient_is_nothing():
    """Its own steps lead there too, in minutes; so its expectation and its gradient are asked about our summit."""
    from crowdkit.aggregation import GLAD

    from aggregation.blocks import Blocks
    from aggregation.glad import Glad
    from aggregation.gold import Clamp
    from aggregation.majority import shares

    table, _ = simulate(n_items=30, n_workers=8, n_labels=3, accuracy=(0.6, 0.9))
    clamp = Clamp.from_gold(None, 30, 3)
    with Blocks(table, table.n_workers) as blocks:
        ours = Glad(table, clamp, shares(table, clamp)[0], None, blocks)
        for _ in range(300):
            ours.maximise()
            ours.expect()
    frame = frame_of(table)
    theirs = GLAD(betas_priors_mean=pd.Series(0.0, index=range(30)), silent=True)
    theirs._init(frame)
    theirs.alphas_, theirs.betas_ = pd.Series(ours.ability), pd.Series(ours.log_ease)
    theirs.alphas_.index.name, theirs.betas_.index.name = "worker", "task"
    joined = theirs._e_step(theirs._join_all(frame, theirs.alphas_, theirs.betas_, theirs.priors_))
    np.testing.assert_allclose(theirs.probas_.sort_index()[[0, 1, 2]].to_numpy(), ours.posterior, atol=1e-9)
    for slopes in theirs._gradient_Q(joined):
        np.testing.assert_allclose(slopes.to_numpy(), 0, atol=1e-4)
