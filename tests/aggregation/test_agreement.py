"""Agreement measures, against published examples, brute force over pairs, and crowd-kit."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aggregation import LabelTable
from aggregation.agreement import MEASURES, agreement, by_group, by_label, confused, disputed, votes_of

# Four observers, twelve units: K. Krippendorff (2011), Computing Krippendorff's alpha-reliability, example C.
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
    [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
]
# Fourteen psychiatrists, ten subjects, five categories: the worked example of Fleiss' kappa.
PSYCHIATRISTS = """0 0 0 0 14 0 2 6 4 2 0 0 3 5 6 0 3 9 2 0 2 2 8 1 1
7 7 0 0 0 3 2 6 3 0 2 5 3 2 2 6 5 2 1 0 0 2 2 3 7"""

counts = st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=1, max_size=12)


def observers():
    answers = np.array(OBSERVERS)
    return np.stack([(answers == label).sum(axis=0) for label in range(1, 6)], axis=1).astype(float)


# Alphas by Krippendorff (2011); kappa and AC1 by Gwet's own irrCAC for the same data.
@pytest.mark.parametrize(
    ("measure", "expected"), [("alpha", 0.743), ("ordinal_alpha", 0.815), ("kappa", 0.76117), ("ac1", 0.77544)]
)
def test_the_published_example_of_four_observers(measure, expected):
    result = agreement(observers(), measure)
    assert result.value == pytest.approx(expected, abs=5e-4 if "alpha" in measure else 5e-6)
    assert result.low < result.value < result.high
    assert (result.n_items, result.n_answers) == (11, 40)


def test_the_published_example_of_fleiss():
    votes = np.array(PSYCHIATRISTS.split(), dtype=float).reshape(10, 5)
    assert agreement(votes, "kappa").value == pytest.approx(0.210, abs=5e-4)


def brute_alpha(votes, *, ordinal):
    """Alpha by going over every ordered pair of answers."""
    lists = [[label for label, n in enumerate(row) for _ in range(n)] for row in votes]
    lists = [labels for labels in lists if len(labels) >= 2]
    everything = [label for labels in lists for label in labels]
    n = np.bincount(everything, minlength=len(votes[0]))

    def distance(one, other):
        if not ordinal:
            return float(one != other)
        low, high = sorted((one, other))
        return (n[low : high + 1].sum() - (n[low] + n[high]) / 2) ** 2

    seen = sum(distance(a, b) / (len(labels) - 1) for labels in lists for a, b in permutations(labels, 2))
    expected = sum(distance(a, b) for a, b in permutations(everything, 2))
    return 1 - seen * (len(everything) - 1) / expected


@given(counts, st.booleans())
def test_alpha_is_that_of_all_pairs(votes, ordinal):
    result = agreement(np.array(votes, dtype=float), "ordinal_alpha" if ordinal else "alpha", draws=0)
    assume(result.undefined is None)
    assert result.value == pytest.approx(brute_alpha(votes, ordinal=ordinal))


def test_alpha_is_crowd_kits():
    pandas = pytest.importorskip("pandas")
    from crowdkit.metrics.data import alpha_krippendorff

    rng = np.random.default_rng(3)
    item, worker = np.divmod(np.arange(600), 20)
    kept = rng.random(600) < 0.3
    item, worker = item[kept], worker[kept]
    label = np.where(rng.random(item.size) < 0.6, item % 4, rng.integers(4, size=item.size))
    table = LabelTable.from_arrays(item, worker, label, n_labels=4)
    frame = pandas.DataFrame({"task": item, "worker": worker, "label": label})
    assert agreement(table.votes(), draws=0).value == pytest.approx(alpha_krippendorff(frame))


@given(counts, st.sampled_from(MEASURES))
def test_a_value_is_there_or_is_explained(votes, measure):
    result = agreement(np.array(votes, dtype=float), measure, draws=20)
    assert (result.value is None) == (result.undefined is not None)
    if result.value is not None:
        assert result.value <= 1 + 1e-12
        assert np.isfinite([result.value, result.low, result.high]).all()


def test_what_is_undefined_says_why():
    assert "no item has two answers" in agreement(np.eye(3)).undefined
    assert "no item has two answers" in agreement(np.zeros((0, 3)), "kappa").undefined
    assert "same label" in agreement(np.array([[3.0, 0], [2, 0]])).undefined
    assert agreement(np.array([[3.0, 0], [2, 0]]), "ac1").value == 1


def test_ac1_stays_sensible_where_one_label_dominates():
    """The paradox that AC1 was made for: 96% of pairs agree, and kappa calls it worse than chance."""
    votes = np.array([[2.0, 0]] * 96 + [[1, 1]] * 4)
    assert agreement(votes, "kappa").value < 0
    assert agreement(votes, "ac1").value > 0.9


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    truth = agreement(_crowd(rng, 100_000), draws=0).value
    inside = [
        found.low <= truth <= found.high
        for found in (agreement(_crowd(rng, 150), mass=0.9, seed=draw) for draw in range(100))
    ]
    assert 0.83 < np.mean(inside) < 0.96


def _crowd(rng, n_items):
    true = rng.integers(3, size=(n_items, 1))
    label = np.where(rng.random((n_items, 4)) < 0.7, true, rng.integers(3, size=(n_items, 4)))
    return np.stack([(label == k).sum(axis=1) for k in range(3)], axis=1).astype(float)


def test_a_rare_label_is_watched_on_its_own():
    votes = np.array([[4.0, 0, 0]] * 40 + [[0, 4, 0]] * 40 + [[2, 0, 2]] * 4)
    first, second, rare = by_label(votes, draws=0)
    assert first.value > 0.9
    assert second.value == 1
    assert rare.value < 0.5
    assert confused(votes)[0][:2] == (0, 2)
    assert disputed(votes)[0].tolist() == [80, 81, 82, 83]


def test_groups_and_windows_stand_apart():
    votes = np.array([[3.0, 0], [0, 3], [2, 1], [1, 2]])
    groups = by_group(votes, np.array([7, 7, 2, 2]), draws=0)
    assert groups[7].value == 1
    assert groups[2].value < 0
    table = LabelTable.from_arrays([0, 0, 0, 0], [0, 1, 2, 3], [0, 0, 1, 1], n_labels=2)
    windows, window = votes_of(table, np.array([0, 0, 1, 1]))
    assert windows.tolist() == [[2, 0], [0, 2]]
    assert window.tolist() == [0, 1]


def test_an_unknown_measure_is_refused():
    with pytest.raises(ValueError, match="choose one of alpha, ordinal_alpha, kappa, ac1"):
        agreement(np.eye(2), "gamma")
