import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from gold import believe

counts = st.integers(0, 200).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


@given(counts, st.floats(0.5, 0.99))
def test_the_interval_is_the_central_one_of_the_beta_posterior(pair, mass):
    right, total = pair
    low, high = believe(right, total, prior=(2, 1)).interval(mass)
    assert (low, high) == pytest.approx(beta(2 + right, 1 + total - right).interval(mass), abs=1e-9)


def test_without_gold_every_accuracy_is_as_likely():
    trust = believe([0], [0])
    np.testing.assert_allclose(trust.mean, [0.5])
    np.testing.assert_allclose(trust.interval(0.8), [[0.1], [0.9]])


def test_more_evidence_narrows_the_belief():
    trust = believe([3, 30, 300], [4, 40, 400])
    low, high = trust.interval()
    assert (np.diff(high - low) < 0).all()
    assert (np.diff(trust.lower()) > 0).all()


def test_one_miss_leaves_much_possible():
    """No worker can be shut out on one miss: the accuracy they may well have is still high."""
    assert believe([0], [1]).quantile(0.95)[0] == pytest.approx(1 - np.sqrt(0.05))


@pytest.mark.parametrize(("right", "total"), [(2, 1), (-1, 3)])
def test_impossible_counts_are_refused(right, total):
    with pytest.raises(ValueError, match="right gold answers must lie between"):
        believe([right], [total])


def test_an_improper_prior_is_refused():
    with pytest.raises(ValueError, match="must be positive"):
        believe([1], [1], prior=(0, 1))


def test_a_share_outside_the_distribution_is_refused():
    with pytest.raises(ValueError, match="between 0 and 1"):
        believe([1], [1]).lower(1.5)
