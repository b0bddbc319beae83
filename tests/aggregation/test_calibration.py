import numpy as np
import pytest
from crowds import simulate
from hypothesis import given
from hypothesis import strategies as st

from aggregation import LabelTable, aggregate, metrics
from aggregation.calibration import Curve, with_confidence


def correlated(seed=0, n_items=600, share=0.3):
    """Nine workers who err together on hard items: posteriors that take them apart are far too sure."""
    rng = np.random.default_rng(seed)
    truth, hard = rng.integers(2, size=n_items), rng.random(n_items) < share
    item, worker = np.divmod(np.arange(n_items * 9), 9)
    pulled = rng.random(n_items) < 0.5
    right = np.where(hard[item], (rng.random(item.size) < 0.75) == pulled[item], rng.random(item.size) < 0.85)
    table = LabelTable.from_arrays(item, worker, np.where(right, truth[item], 1 - truth[item]), n_labels=2)
    return table, truth


def test_without_gold_confidence_is_nearer_to_accuracy_than_the_posterior_is():
    table, truth = correlated()
    result = aggregate(table)
    right = result.labels == truth
    raw = metrics.expected_calibration_error(result.posterior.max(axis=1), right)
    calibrated = metrics.expected_calibration_error(result.confidence, right)
    assert calibrated < 0.7 * raw


def test_twenty_gold_items_help():
    """Over several draws, confidence on the items that are not gold is closer to the truth with gold."""
    with_gold, without = [], []
    for seed in range(6):
        table, truth = correlated(seed, share=0.6)
        gold = np.full(600, -1)
        gold[:20] = truth[:20]
        rest = np.arange(600) >= 20
        for errors, known in ((with_gold, gold), (without, None)):
            result = aggregate(table, gold=known)
            assert result.params["calibration"]["n_gold"] == (0 if known is None else 20)
            right = (result.labels == truth)[rest]
            errors.append(metrics.expected_calibration_error(result.confidence[rest], right))
    assert np.mean(with_gold) < np.mean(without)


def test_gold_is_certain():
    table, truth = simulate(n_items=50)
    result = aggregate(table, gold=np.where(np.arange(50) < 10, truth, -1))
    np.testing.assert_array_equal(result.confidence[:10], 1)


@given(st.lists(st.tuples(st.floats(0.01, 0.99), st.booleans()), max_size=60))
def test_a_curve_rises(drawn):
    confidence, right = np.array(drawn).reshape(-1, 2).T
    curve = Curve.fit(confidence, right)
    chance = curve.apply(np.linspace(0, 1, 50))
    assert (np.diff(chance) >= 0).all()
    assert curve.n_gold == len(drawn)


def test_a_curve_fitted_on_nothing_changes_nothing():
    np.testing.assert_allclose(Curve.fit(np.zeros(0), np.zeros(0)).apply(np.array([0.3, 0.9])), [0.3, 0.9])


def test_a_curve_finds_the_distortion_that_there_is():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.05, 0.95, size=20_000)
    odds = np.log(truth / (1 - truth))
    claimed = 1 / (1 + np.exp(-2 * odds))
    curve = Curve.fit(claimed, (rng.random(20_000) < truth).astype(float))
    assert curve.slope == pytest.approx(0.5, abs=0.03)
    assert curve.shift == pytest.approx(0, abs=0.05)


def test_the_other_labels_share_what_confidence_leaves():
    probabilities = np.array([[0.6, 0.3, 0.1], [1.0, 0.0, 0.0]])
    calibrated = with_confidence(probabilities, np.array([0, 0]), np.array([0.4, 0.8]))
    np.testing.assert_allclose(calibrated, [[0.4, 0.45, 0.15], [0.8, 0.1, 0.1]])


def test_calibration_error_by_hand():
    confidence = np.array([0.95, 0.95, 0.55, 0.65])
    right = np.array([1.0, 0.0, 1.0, 1.0])
    assert metrics.expected_calibration_error(confidence, right) == pytest.approx((0.9 + 0.45 + 0.35) / 4)


def test_scores_by_hand():
    posterior, truth = np.array([[0.8, 0.2], [0.5, 0.5]]), np.array([0, 1])
    assert metrics.accuracy(posterior, truth) == pytest.approx(0.75)
    assert metrics.log_loss(posterior, truth) == pytest.approx(-(np.log(0.8) + np.log(0.5)) / 2)
    assert metrics.brier_score(posterior, truth) == pytest.approx((0.08 + 0.5) / 2)
    assert metrics.brier_score(posterior.tolist(), truth.tolist()) == metrics.brier_score(posterior, truth)
    assert metrics.expected_calibration_error([0.95, 0.65], [True, False]) == pytest.approx((0.05 + 0.65) / 2)
    either = np.array([[True, False], [True, True]])
    assert metrics.accuracy(posterior, either) == 1
    assert metrics.log_loss(posterior, either) == pytest.approx(-np.log(0.8) / 2)


@pytest.mark.parametrize(
    ("posterior", "truth", "message"),
    [
        (np.zeros((0, 2)), np.zeros(0, dtype=int), "nothing to score"),
        (np.full((2, 2), 0.5), np.array([0]), "do not fit"),
        (np.full((1, 2), 0.5), np.array([2]), "between 0 and 1"),
        (np.full((1, 2), 0.5), np.array([[False, False]]), "a label must be right"),
    ],
)
def test_scores_refuse_what_they_cannot_score(posterior, truth, message):
    with pytest.raises(ValueError, match=message):
        metrics.log_loss(posterior, truth)
