import numpy as np
import pytest

from aggregation import LabelTable, aggregate
from aggregation.kernels import choose_for
from aggregation.result import TIE, most_probable, ranks


@pytest.mark.parametrize("n_labels", [2, 5, 8, 9])
def test_compiled_code_chooses_as_the_rule_says(n_labels):
    rng = np.random.default_rng(0)
    posterior = rng.integers(3, size=(500, n_labels)) / 10 + rng.choice([0, TIE / 3, 2 * TIE], size=(500, n_labels))
    prevalence = rng.integers(1, 3, size=n_labels) / 10
    labels = np.empty(500, dtype=np.int64)
    choose_for(n_labels)(0, 500, posterior, ranks(prevalence), TIE, labels)
    np.testing.assert_array_equal(labels, most_probable(posterior, prevalence))


def test_shares_of_the_answers():
    table = LabelTable.from_arrays([0, 0, 0, 1, 3], [0, 1, 2, 0, 1], [1, 1, 2, 0, 2], n_labels=3)
    result = aggregate(table, method="majority")
    mean = np.mean([[0, 2 / 3, 1 / 3], [1, 0, 0], [0, 0, 1]], axis=0)
    np.testing.assert_allclose(result.posterior, [[0, 2 / 3, 1 / 3], [1, 0, 0], mean, [0, 0, 1]])
    np.testing.assert_allclose(result.prevalence, mean)
    assert result.confusion is None
    assert result.converged
    assert result.method == "majority"


def test_ties_go_to_the_more_prevalent_label_then_to_the_lower_index():
    item, worker, label = [0, 0, 1, 2], [0, 1, 0, 0], [0, 1, 1, 1]
    table = LabelTable.from_arrays(item, worker, label, n_labels=2)
    assert aggregate(table, method="majority").labels[0] == 1

    alone = LabelTable.from_arrays([0, 0], [0, 1], [1, 0], n_labels=2)
    assert aggregate(alone, method="majority").labels[0] == 0


def test_gold_is_kept_to():
    table = LabelTable.from_arrays([0, 0, 1], [0, 1, 0], [0, 0, 1], n_labels=3)
    result = aggregate(table, method="majority", gold=np.array([2, -1]))
    np.testing.assert_array_equal(result.posterior, [[0, 0, 1], [0, 1, 0]])


def test_accepted_labels_of_gold_share_what_they_were_given():
    table = LabelTable.from_arrays([0, 0, 0, 1], [0, 1, 2, 0], [0, 1, 1, 0], n_labels=3)
    accepted = np.array([[True, False, True], [False, True, True]])
    result = aggregate(table, method="majority", gold=accepted)
    np.testing.assert_array_equal(result.posterior, [[1, 0, 0], [0, 0.5, 0.5]])


def test_no_answers_leave_every_label_as_likely():
    table = LabelTable.from_arrays([], [], [], n_labels=4, n_items=2, n_workers=1)
    np.testing.assert_array_equal(aggregate(table, method="majority").posterior, np.full((2, 4), 0.25))


@pytest.mark.parametrize(
    ("gold", "error", "message"),
    [
        (np.array([0]), ValueError, "gold is of 1 items, and the table has 2"),
        (np.array([0, 2]), ValueError, "gold labels must lie between -1"),
        (np.array([0.0, 1.0]), TypeError, "gold must hold integers"),
        (np.zeros((2, 2)), TypeError, "truth values"),
    ],
)
def test_gold_that_does_not_fit_is_refused(gold, error, message):
    table = LabelTable.from_arrays([0, 1], [0, 1], [0, 1], n_labels=2)
    with pytest.raises(error, match=message):
        aggregate(table, method="majority", gold=gold)


def test_an_unknown_method_is_refused_with_those_there_are():
    table = LabelTable.from_arrays([0], [0], [0], n_labels=2)
    with pytest.raises(ValueError, match="unknown method 'oracle': choose one of majority, "):
        aggregate(table, method="oracle")
