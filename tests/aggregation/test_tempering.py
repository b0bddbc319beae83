import numpy as np
import pytest
from crowds import answers as drawn_answers
from crowds import simulate, table_of
from hypothesis import given

from aggregation import LabelTable, aggregate, metrics, tempering
from aggregation.gold import Clamp


def erring_together(likelihood_of_hard, seed=0, n_items=600, per_item=10):
    """Return a table in which some items are hard for all workers, and the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(2, size=n_items)
    hard = rng.random(n_items) < likelihood_of_hard
    right = rng.uniform(0.7, 0.95, size=30)
    item = np.repeat(np.arange(n_items), per_item)
    worker = np.concatenate([rng.permutation(30)[:per_item] for _ in range(n_items)])
    chance = np.where(hard[item], 0.5, right[worker])
    label = np.where(rng.random(item.size) < chance, truth[item], 1 - truth[item])
    return LabelTable.from_arrays(item, worker, label, n_labels=2), truth


def test_correlation_is_near_nothing_where_workers_err_apart_and_more_where_items_are_hard_for_all():
    apart, together = (
        aggregate(erring_together(share)[0]).params["calibration"]["correlation"] for share in (0.0, 0.2)
    )
    assert apart < 0.04
    assert together > 0.1


@pytest.mark.parametrize("method", ["majority", "dawid_skene", "one_coin"])
@pytest.mark.parametrize("n_answers", [60, 3000])
def test_many_answers_alike_leave_little_doubt(method, n_answers):
    """A posterior cannot hold what sixty answers say, and a divisor that grows with them must not eat it."""
    crowd, _ = erring_together(0.0)
    item = np.concatenate([crowd.item, np.full(n_answers, 600)])
    worker = np.concatenate([crowd.worker, np.arange(n_answers)])
    label = np.concatenate([crowd.label, np.ones(n_answers, dtype=int)])
    result = aggregate(LabelTable.from_arrays(item, worker, label, n_labels=2), method)
    assert result.labels[600] == 1
    assert result.confidence[600] > 0.99


@pytest.mark.parametrize("method", ["majority", "wawa", "dawid_skene", "hierarchical", "glad"])
def test_confidence_is_honest_over_crowds_that_err_apart_and_together(method):
    crowds = [erring_together(share, seed, 500, per) for seed, share, per in ((1, 0.0, 5), (2, 0.2, 5), (3, 0.3, 15))]
    crowds.append(simulate(n_items=400, n_labels=5, per_item=4, accuracy=(0.4, 0.9)))
    errors = []
    for table, truth in crowds:
        result = aggregate(table, method)
        right = metrics.hits(result.posterior, truth)
        errors.append(metrics.expected_calibration_error(result.confidence, right))
    assert np.mean(errors) < 0.08


@given(drawn_answers())
def test_probabilities_are_probabilities_whatever_was_answered(drawn):
    table = table_of(drawn)
    result = aggregate(table, "majority")
    assert result.calibrated.shape == (table.n_items, table.n_labels)
    np.testing.assert_allclose(result.calibrated.sum(axis=1), 1)
    assert (result.calibrated >= 0).all()


def test_parts_change_nothing(monkeypatch):
    """Evidence is the same when it is taken part by part; correlation is then learnt from some of the items."""
    table, _ = erring_together(0.2)
    clamp = Clamp.from_gold(None, table.n_items, table.n_labels)
    posterior = aggregate(table).posterior
    whole, correlation = tempering.tempered(table, clamp, posterior)
    monkeypatch.setattr(tempering, "PART", 5000)
    monkeypatch.setattr(tempering, "CORRELATIONS", (correlation,))
    parts, _ = tempering.tempered(table, clamp, posterior)
    np.testing.assert_allclose(parts, whole, rtol=1e-12)


def test_where_confusion_is_too_large_the_posterior_itself_is_tempered(monkeypatch):
    table, truth = erring_together(0.5)
    monkeypatch.setattr(tempering, "MOST_CELLS", 1)
    result = aggregate(table)
    assert result.params["calibration"]["correlation"] == tempering.USUAL
    raw = metrics.expected_calibration_error(result.posterior.max(axis=1), result.labels == truth)
    assert metrics.expected_calibration_error(result.confidence, result.labels == truth) < raw
