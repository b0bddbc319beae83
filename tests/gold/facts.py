"""Made-up histories for the tests of gold policy."""

import numpy as np

from aggregation import LabelTable
from aggregation.dawid_skene import dawid_skene
from aggregation.gold import Clamp
from gold.evidence import Answers
from gold.rescore import Consensus


def history(kinds, *, n_items=120, n_gold=30, n_labels=3, per_worker=60, seed=0):
    """Answers of workers of these accuracies, a fifth of them to gold; returns answers, accepted labels and truth."""
    rng = np.random.default_rng(seed)
    truth = np.concatenate([rng.integers(n_labels, size=n_items), np.arange(n_gold) % n_labels])
    rows = []
    for worker, accuracy in enumerate(kinds):
        n_asked = min(n_gold, per_worker // 4)
        items = np.concatenate(
            [rng.permutation(n_items)[: per_worker - n_asked], n_items + rng.permutation(n_gold)[:n_asked]]
        )
        for place, item in enumerate(rng.permutation(items)):
            right = rng.random() < (accuracy(place) if callable(accuracy) else accuracy)
            label = truth[item] if right else (truth[item] + rng.integers(1, n_labels)) % n_labels
            rows.append((item, worker, label, place * 1000 + worker, len(rows)))
    accepted = np.zeros((truth.size, n_labels), dtype=bool)
    accepted[np.arange(n_items, truth.size), truth[n_items:]] = True
    return Answers(*np.array(rows, dtype=np.int64).T), accepted, truth


def infer(n_workers):
    """Run Dawid-Skene as the product does."""

    def run(answers, accepted):
        n_items, n_labels = accepted.shape
        table = LabelTable.from_arrays(
            answers.item, answers.worker, answers.label, n_labels, n_items=n_items, n_workers=n_workers
        )
        result = dawid_skene(table, Clamp.from_gold(accepted, n_items, n_labels), tol=1e-6, threads=1)
        return Consensus(result.posterior, result.confusion)

    return run


def same(first, second):
    """Assert that two standings are the same to the last figure that matters."""
    np.testing.assert_array_equal(first.state, second.state)
    np.testing.assert_array_equal(first.gold_right, second.gold_right)
    np.testing.assert_array_equal(first.suspended_by, second.suspended_by)
    np.testing.assert_allclose(first.both.now, second.both.now, atol=1e-6)
    np.testing.assert_allclose(first.gold.now, second.gold.now, atol=1e-9)
