"""What can be done with a row in a register, beside what numpy does with one in memory."""

import numpy as np
import pytest

from aggregation import lanes
from aggregation.compiler import compiled


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_exponentials_are_right_to_the_last_bits(size):
    @compiled
    def raise_each(numbers, powers, rows):
        for row in range(np.uintp(rows)):
            lanes.store(powers, row, lanes.exp(lanes.load(size, numbers, row)))

    rng = np.random.default_rng(size)
    small = rng.choice([-1, 1], size=3000) * np.exp(rng.uniform(-40, 5, size=3000))
    numbers = np.concatenate([[0.0, -0.0], small, rng.uniform(-708, 709, size=3000)])[: 6000 // size * size]
    powers = np.empty_like(numbers)
    raise_each(numbers, powers, numbers.size // size)
    np.testing.assert_allclose(powers, np.exp(numbers), rtol=5e-16)
    assert (powers[:2] == 1).all(), "what is sure is exactly 1"
    numbers = np.repeat([-np.inf, -1e300, -746.0], size)
    powers = np.full_like(numbers, np.nan)
    raise_each(numbers, powers, 3)
    assert (powers == 0).all()
