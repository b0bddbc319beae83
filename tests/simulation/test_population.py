"""Made-up workers err as their matrices say, and the same seed makes the same crowd."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.traits import Ring, Traits, Turn, Worker
from simulation.workers import DEMO_POPULATION, KINDS, apportion, population


def worker(traits: Traits, seed: int = 7) -> Worker:
    return Worker("w", traits, np.random.default_rng(seed))


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"drifting", "turncoat", "colluder"}))
@pytest.mark.parametrize("n_labels", [2, 5])
def test_the_empirical_confusion_matches_the_matrix(kind, n_labels):
    one = population({kind: 1}, 1, n_labels, seed=3)[0]
    draws = 4_000
    counts = np.zeros((n_labels, n_labels))
    for true in range(n_labels):
        for _ in range(draws):
            counts[true, one.answer(true)] += 1
    # Five standard errors of a proportion, at its widest.
    assert np.abs(counts / draws - one.traits.confusion).max() < 5 * np.sqrt(0.25 / draws)


def test_the_same_seed_makes_the_same_crowd_and_another_seed_another():
    def fingerprint(seed):
        crowd = population(DEMO_POPULATION, 20, 4, seed)
        return [
            (w.traits.kind, w.traits.arrives, [w.answer(n % 4) for n in range(30)], w.active_seconds(3)) for w in crowd
        ]

    assert fingerprint(1) == fingerprint(1)
    assert fingerprint(1) != fingerprint(2)


def test_a_worker_does_not_depend_on_what_others_do():
    alone = population(DEMO_POPULATION, 5, 3, seed=9)
    among = population(DEMO_POPULATION, 5, 3, seed=9)
    for other in among[1:]:
        [other.answer(0) for _ in range(17)]
    assert [alone[0].answer(1) for _ in range(50)] == [among[0].answer(1) for _ in range(50)]


@given(
    shares=st.dictionaries(st.sampled_from(sorted(KINDS)), st.floats(0.01, 10), min_size=1),
    n=st.integers(0, 200),
)
def test_the_mix_of_kinds_is_exact(shares, n):
    counts = apportion(shares, n)
    total = sum(shares.values())
    assert sum(counts.values()) == n
    assert all(abs(counts[kind] - n * share / total) < 1 for kind, share in shares.items())


def test_a_quarter_of_the_demo_crowd_spams():
    kinds = Counter(w.traits.kind for w in population(DEMO_POPULATION, 40, 10, seed=0))
    assert kinds["random_spammer"] + kinds["constant_spammer"] == 10


@pytest.mark.parametrize("spec", [{"saint": 1.0}, {"expert": -1.0, "ordinary": 2.0}, {"expert": 0.0}, {}])
def test_a_population_that_makes_no_sense_is_refused(spec):
    with pytest.raises(ValueError, match=r"worker|shares"):
        population(spec, 3, 2, seed=0)


@pytest.mark.parametrize(
    "matrix", [np.eye(1), np.ones((2, 3)) / 3, np.full((2, 2), 0.4), np.array([[1.5, -0.5], [0, 1]])]
)
def test_a_matrix_that_is_none_is_refused(matrix):
    with pytest.raises(ValueError, match="confusion matrix"):
        Traits("x", matrix)


def test_a_worker_turns_where_its_traits_say_so():
    good, bad = np.eye(2), np.eye(2)[::-1]
    one = worker(Traits("turncoat", good, turns=(Turn(5, bad),)))
    assert [one.answer(0) for _ in range(8)] == [0] * 5 + [1] * 3


def test_a_drifting_worker_ends_far_worse_than_it_began():
    one = population({"drifting": 1}, 1, 4, seed=5)[0]
    began, ended = (np.diag(one.traits.confusion_after(n)).mean() for n in (0, 1000))
    assert began > 0.85
    assert ended < 0.5


def test_a_ring_agrees_with_itself_where_the_truth_would_not():
    ring = Ring("ours", 1.0)
    one, other = (worker(Traits("colluder", np.eye(5), ring=ring), seed) for seed in (1, 2))
    items = [f"item {n}" for n in range(200)]
    ours, theirs = [one.answer(0, item) for item in items], [other.answer(0, item) for item in items]
    assert ours == theirs
    assert np.mean(np.array(ours) == 0) < 0.4


def test_an_unknown_item_gets_an_even_guess():
    one = worker(Traits("expert", np.eye(4)))
    counts = Counter(one.answer(None) for _ in range(4_000))
    assert min(counts.values()) > 800


def test_time_and_abandonment_are_drawn_as_stated():
    one = worker(Traits("x", np.eye(2), seconds=6, spread=0.4, gives_back=0.2, walks_off=0.1, stays=2))
    assert np.median([one.active_seconds(1) for _ in range(4_000)]) == pytest.approx(6, rel=0.05)
    drawn = Counter(one.intention() for _ in range(4_000))
    assert drawn["give_back"] / 4_000 == pytest.approx(0.2, abs=0.03)
    assert drawn["walk_off"] / 4_000 == pytest.approx(0.1, abs=0.03)
    assert not one.has_left
    one.finish_hit()
    one.finish_hit()
    assert one.has_left
