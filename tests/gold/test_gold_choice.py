import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gold import TooLittleGoldError, choose, needed

labels = st.lists(st.integers(0, 4), max_size=60)


def masks(drawn):
    return np.eye(5, dtype=bool)[np.array(drawn, dtype=int)]


@given(labels, st.integers(1, 4), st.integers(0, 2**32), st.data())
def test_every_gold_is_in_one_hit_and_labels_are_spread_as_evenly_as_can_be(drawn, per_bundle, seed, data):
    n_bundles = data.draw(st.integers(0, len(drawn) // per_bundle))
    plan = choose(masks(drawn), n_bundles, per_bundle, seed=seed)

    assert plan.chosen.shape == (n_bundles, per_bundle)
    rows = plan.chosen.ravel()
    assert len(set(rows.tolist())) == rows.size
    offered = np.bincount(np.array(drawn, dtype=int), minlength=5)
    used = np.bincount(np.array(drawn, dtype=int)[rows], minlength=5)
    # A label is used less often than another by two or more only where there is no more of it.
    assert (offered[used < used.max(initial=0) - 1] == used[used < used.max(initial=0) - 1]).all()


def test_golds_of_one_bundle_differ_in_label_while_they_can():
    plan = choose(masks([0] * 10 + [1] * 10 + [2] * 10), 10, 3, seed=4)
    assert all(len({row // 10 for row in bundle}) == 3 for bundle in plan.chosen.tolist())


def test_the_seed_decides():
    gold = masks([0, 1, 2] * 20)
    first, again, other = (choose(gold, 15, 2, seed=seed).chosen for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_too_little_gold_is_refused_with_what_is_needed():
    with pytest.raises(TooLittleGoldError, match="6 gold items are needed, and 5 are available"):
        choose(masks([0, 1, 2, 3, 4]), 3, 2, seed=0)


@pytest.mark.parametrize(
    ("n_items", "bundle_items", "gold_per_bundle", "expected"),
    [(0, 10, 2, 0), (1, 10, 2, 2), (10, 10, 2, 2), (11, 10, 2, 4), (100, 7, 0, 0)],
)
def test_gold_needed(n_items, bundle_items, gold_per_bundle, expected):
    assert needed(n_items, bundle_items, gold_per_bundle) == expected


def test_bundles_of_nothing_are_refused():
    with pytest.raises(ValueError, match="no bundles of 0 items"):
        needed(3, 0, 1)
