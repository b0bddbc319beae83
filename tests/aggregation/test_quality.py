import numpy as np
import pytest
from crowds import simulate
from scipy.stats import beta

from aggregation import LabelTable, aggregate, quality

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


def test_accuracy_is_beta_where_it_is_known_what_is_right_and_wider_where_it_is_not():
    """Against the mixture itself: how likely each number of right answers is, and Beta given it."""
    table = LabelTable.from_arrays(np.arange(8), [0] * 8, [0] * 8, n_labels=2, n_workers=2)
    sure, unsure = np.eye(2)[[0, 0, 0, 0, 0, 0, 1, 1]], np.array([[0.9, 0.1]] * 4 + [[0.6, 0.4]] * 4)
    mean, low, high = quality.accuracy(table, sure)
    np.testing.assert_allclose(mean, [7 / 10, 1 / 2])
    np.testing.assert_allclose([low[0], high[0]], beta(7, 3).ppf([0.05, 0.95]))
    np.testing.assert_allclose([low[1], high[1]], [0.05, 0.95])
    chances = np.ones(1)
    for chance in unsure[:, 0]:
        chances = np.convolve(chances, [1 - chance, chance])
    grid = np.linspace(0, 1, 20_001)
    held = sum(weight * beta(1 + right, 9 - right).cdf(grid) for right, weight in enumerate(chances))
    mean, low, high = quality.accuracy(table, unsure)
    assert mean[0] == pytest.approx(7 / 10)
    np.testing.assert_allclose([low[0], high[0]], np.interp([0.05, 0.95], held, grid), atol=0.01)


def test_the_interval_of_accuracy_holds_about_as_often_as_it_says():
    rng, held = np.random.default_rng(5), []
    for n_labels, per_item, n_workers, n_items in ((2, 5, 100, 2000), (4, 5, 60, 500), (3, 3, 200, 600)):
        truth, right = rng.integers(n_labels, size=n_items), rng.uniform(0.5, 0.95, n_workers)
        item = np.repeat(np.arange(n_items), per_item)
        worker = np.concatenate([rng.permutation(n_workers)[:per_item] for _ in range(n_items)])
        slip = (truth[item] + rng.integers(1, n_labels, item.size)) % n_labels
        label = np.where(rng.random(item.size) < right[worker], truth[item], slip)
        table = LabelTable.from_arrays(item, worker, label, n_labels)
        _, low, high = quality.accuracy(table, aggregate(table).calibrated)
        held.append(((low <= right) & (right <= high)).mean())
    assert 0.88 < np.mean(held) < 0.96


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
