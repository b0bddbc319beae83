import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregation import LabelTable
from gold import score

rows = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 2)), max_size=40)
gold = st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=6, max_size=6)


def table_of(drawn):
    item, worker, label = np.array(drawn, dtype=int).reshape(-1, 3).T
    return LabelTable.from_arrays(item, worker, label, n_labels=3, n_items=6, n_workers=4)


@given(rows, gold)
def test_scores_are_those_of_a_count_by_hand(drawn, accepted):
    last = {(item, worker): label for item, worker, label in drawn}
    right, total = [0] * 4, [0] * 4
    for (item, worker), label in last.items():
        total[worker] += any(accepted[item])
        right[worker] += accepted[item][label]
    result = score(table_of(drawn), np.array(accepted))
    np.testing.assert_array_equal(result.right, right)
    np.testing.assert_array_equal(result.total, total)
    np.testing.assert_allclose(result.right_by_label.sum(axis=1), right)
    np.testing.assert_allclose(result.total_by_label.sum(axis=1), total)


@given(rows, gold, st.randoms(use_true_random=False))
def test_scores_do_not_depend_on_the_order_of_arrival(drawn, accepted, random):
    once = list({(item, worker): (item, worker, label) for item, worker, label in drawn}.values())
    shuffled = random.sample(once, len(once))
    first, second = (score(table_of(rows), np.array(accepted)) for rows in (once, shuffled))
    np.testing.assert_array_equal(first.right, second.right)
    np.testing.assert_allclose(first.total_by_label, second.total_by_label)


def test_a_miss_is_shared_among_the_accepted_labels():
    accepted = np.zeros((6, 3), dtype=bool)
    accepted[0] = [True, True, False]
    accepted[1] = [False, False, True]
    result = score(table_of([(0, 0, 2), (0, 1, 1), (1, 0, 2), (2, 0, 0)]), accepted)
    np.testing.assert_allclose(result.total_by_label[0], [0.5, 0.5, 1])
    np.testing.assert_allclose(result.right_by_label[0], [0, 0, 1])
    np.testing.assert_allclose(result.right_by_label[1], [0, 1, 0])


def test_gold_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"accepted labels cover \(6, 2\)"):
        score(table_of([(0, 0, 0)]), np.zeros((6, 2), dtype=bool))
