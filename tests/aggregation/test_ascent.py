"""Where a climb is over, and what is said of it."""

import numpy as np
import pytest
from crowds import simulate
from hypothesis import given
from hypothesis import strategies as st

from aggregation import aggregate
from aggregation.ascent import LEVEL, WINDOW, Ascent


def climbed(bounds, changes, tol=1e-10, *, many_cells=True, max_iter=10_000):
    """Take steps until the climb says that it is over, or there are no more."""
    ascent = Ascent(max_iter, tol, many_cells=many_cells)
    for bound, change in zip(bounds, changes, strict=True):
        if ascent.arrive(bound, change):
            break
    return ascent


@given(shrink=st.floats(0.05, 0.97), first=st.floats(1e-3, 1.0), height=st.floats(-1e7, -1.0))
def test_where_changes_shrink_by_a_factor_every_step_to_the_tolerance_is_taken(shrink, first, height):
    changes = first * shrink ** np.arange(2000)
    ascent = climbed(height - changes**2, changes)
    assert ascent.ended == "tolerance"
    assert len(ascent.objective) == 1 + int((changes > 1e-10).sum())


@given(grow=st.floats(1.001, 1.2), first=st.floats(1e-9, 1e-7), height=st.floats(-1e7, -1.0))
def test_a_climb_that_is_on_its_way_out_of_a_saddle_goes_on(grow, first, height):
    """What led to the saddle fades, what leads out of it grows, and the bound hardly rises for long."""
    steps = np.arange(4 * WINDOW)
    changes = np.maximum(0.1 * 0.5**steps, first * grow**steps)
    assert climbed(np.full(steps.size, height), changes).ended == "max_iter"


def creeping(size):
    """Give bounds and changes of a climb that comes to rest as one divided by the number of its steps."""
    steps = np.arange(1, size + 1)
    return -1000 - 1e-3 / steps, 1e-2 / steps


def test_a_climb_that_creeps_ends_where_its_bound_is_level():
    bounds, changes = creeping(10_000)
    ascent = climbed(bounds, changes)
    assert (ascent.ended, ascent.converged) == ("level", True)
    rose = np.diff(ascent.objective[-1 - WINDOW :])
    assert 0 < rose.mean() <= LEVEL * 1002
    assert WINDOW < len(ascent.objective) < 1000


@pytest.mark.parametrize("asked", [{"many_cells": False}, {"tol": 0.0}])
def test_with_answers_enough_or_every_step_asked_for_it_creeps_on(asked):
    ascent = climbed(*creeping(3000), **asked)
    assert (ascent.ended, ascent.converged, len(ascent.objective)) == ("max_iter", False, 3000)


def test_likelihood_of_many_labels_ends_level_and_nothing_is_lost():
    """It would creep on for more than 4,000 steps."""
    table, _ = simulate(n_items=200, n_workers=20, n_labels=30, per_item=5, seed=4)
    level = aggregate(table, "maximum_likelihood")
    assert (level.converged, level.params["ended"]) == (True, "level")
    assert level.n_iter < 1000
    with pytest.warns(match="did not converge in 3000 iterations"):
        longer = aggregate(table, "maximum_likelihood", max_iter=3000, tol=0.0)
    assert longer.params["ended"] == "max_iter"
    np.testing.assert_array_equal(longer.objective[: level.n_iter], level.objective)
    np.testing.assert_array_equal(longer.labels, level.labels)
    assert longer.objective[-1] - level.objective[-1] < 1e-5
