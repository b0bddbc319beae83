import numpy as np
import pytest
from crowds import answers, table_of
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregation import LabelTable
from aggregation.grouping import group
from aggregation.table import _group


@given(answers())
def test_the_last_answer_of_a_worker_to_an_item_counts(drawn):
    item, worker, label, *_ = drawn
    table = table_of(drawn)

    last = {}
    for i, w, answer in zip(item, worker, label, strict=True):
        last[(i, w)] = answer
    assert dict(zip(zip(table.item, table.worker, strict=True), table.label, strict=True)) == last
    assert table.n_dropped == len(item) - len(last)
    assert table.n_answers == len(last)


@given(answers(), st.booleans(), st.integers(1, 3))
@settings(deadline=None)
def test_many_answers_are_grouped_as_few_are(drawn, in_order, threads):
    item, worker, label, n_items, *_ = drawn
    order = np.argsort(item, kind="stable") if in_order else np.arange(item.size)
    arrays = item[order], worker[order], label[order], n_items
    for few, many in zip(_group(*arrays), group(*arrays, threads=threads), strict=True):
        np.testing.assert_array_equal(few, many)


def test_items_with_many_answers_are_grouped_too():
    rng = np.random.default_rng(3)
    arrays = rng.integers(40, size=5000), rng.integers(200, size=5000), rng.integers(4, size=5000), 40
    few, many = _group(*arrays), group(*arrays)
    assert few[1].size < 5000
    for one, other in zip(few, many, strict=True):
        np.testing.assert_array_equal(one, other)


@given(answers())
def test_votes_count_the_answers_that_are_in_the_table(drawn):
    table = table_of(drawn)
    votes = np.zeros((table.n_items, table.n_labels))
    np.add.at(votes, (table.item, table.label), 1)
    np.testing.assert_array_equal(table.votes(), votes)


def test_numbers_of_items_and_workers_are_found_where_they_are_not_given():
    table = LabelTable.from_arrays([4, 0], [2, 7], [0, 1], n_labels=2)
    assert (table.n_items, table.n_workers) == (5, 8)
    np.testing.assert_array_equal(table.answers_per_item, [1, 0, 0, 0, 1])


def test_a_table_cannot_be_changed():
    table = LabelTable.from_arrays([0], [0], [0], n_labels=2)
    with pytest.raises(ValueError, match="read-only"):
        table.label[0] = 1


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        (([0], [0], [0]), {"n_labels": 1}, "fewer than two label values"),
        (([0], [0], [0]), {"n_labels": 1001}, "at most 1000"),
        (([0, 1], [0], [0]), {"n_labels": 2}, "differ in length: 2, 1, 1"),
        (([0], [0], [2]), {"n_labels": 2}, "label number 2 occurs, but there are only 2"),
        (([-1], [0], [0]), {"n_labels": 2}, "item numbers count from 0, but -1 occurs"),
        (([3], [0], [0]), {"n_labels": 2, "n_items": 3}, "item number 3 occurs, but there are only 3"),
        (([0], [1], [0]), {"n_labels": 2, "n_workers": 1}, "worker number 1 occurs"),
        (([[0]], [0], [0]), {"n_labels": 2}, "item must have one dimension"),
        (([0], [2**31], [0]), {"n_labels": 2}, r"worker numbers must be below 2\^31"),
        (([2**40], [0], [0]), {"n_labels": 2}, r"item numbers must be below 2\^31"),
    ],
)
def test_bad_input_is_refused_with_what_is_wrong(arrays, options, message):
    with pytest.raises(ValueError, match=message):
        LabelTable.from_arrays(*arrays, **options)


def test_labels_that_are_not_integers_are_refused():
    with pytest.raises(TypeError, match="label must hold integers, not float64"):
        LabelTable.from_arrays([0], [0], [0.5], n_labels=2)
