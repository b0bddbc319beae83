import numpy as np
import pytest
from crowds import simulate

from aggregation import aggregate, quality

PERFECT, LIAR = np.eye(2), np.eye(2)[::-1]
SPAMMER, CONSTANT = np.full((2, 2), 0.5), np.array([[1.0, 0], [1, 0]])


def test_a_consistent_liar_is_worth_as_much_as_a_perfect_worker_and_a_spammer_nothing():
    workers = np.array([PERFECT, LIAR, SPAMMER, CONSTANT])
    np.testing.assert_allclose(quality.quality(workers, np.array([0.3, 0.7])), [1, 1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(quality.expected_cost(workers, np.array([0.3, 0.7])), [0, 0, 0.3, 0.3], atol=1e-12)
    np.testing.assert_allclose(quality.spammer_score(workers), [1, 1, 0, 0], atol=1e-12)


def test_spammer_score_is_the_mean_squared_distance_of_rows():
    rng = np.random.default_rng(0)
    workers = rng.dirichlet(np.ones(4), size=(3, 4))
    distance = ((workers[:, :, None] - workers[:, None]) ** 2).sum(axis=3)
    upper = np.triu_indices(4, 1)
    expected = distance[:, upper[0], upper[1]].sum(axis=1) / (4 * 3)
    np.testing.assert_allclose(quality.spammer_score(workers), expected)


def test_a_label_that_is_always_right_leaves_nothing_to_tell():
    np.testing.assert_array_equal(quality.quality(PERFECT[None], np.array([1.0, 0.0])), [0])


def test_confusion_is_counted_for_methods_without_any():
    table, _ = simulate(n_items=400, n_workers=8, accuracy=(0.8, 0.95))
    counted = quality.confusion_of(table, aggregate(table).posterior)
    np.testing.assert_allclose(counted, aggregate(table).confusion, atol=1e-6)
    assert counted.sum(axis=2) == pytest.approx(1)


def test_confusion_is_counted_for_some_workers_after_others(monkeypatch):
    """All of three thousand workers over a thousand labels would take 24 GB."""
    table, _ = simulate(n_items=50, n_workers=7)
    posterior = aggregate(table).posterior
    whole = quality.confusion_of(table, posterior)
    monkeypatch.setattr(quality, "PART", 18)
    parts = list(quality.confusions(table, posterior))
    assert [len(part) for part in parts] == [2, 2, 2, 1]
    np.testing.assert_allclose(np.concatenate(parts), whole)
    none = table.keep(np.zeros(table.n_answers, dtype=bool))
    np.testing.assert_allclose(quality.confusion_of(none, posterior)[:, 0], [[0.8, 0.1, 0.1]] * 7)
