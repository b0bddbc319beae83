"""Climb faster where the counts are all that a fit remembers.

The expected counts of a variational fit stand for its distributions: whatever counts there are, with the prior they
are the parameters of Dirichlet distributions, under which the bound holds. So counts can be extrapolated from pairs of
steps just as parameters are (`squarem`), cut off at 0; where that leads lower than the steps did, it is taken back.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import numpy as np

from aggregation.ascent import Ascent
from aggregation.memory import empty
from aggregation.squarem import GROWTH, LEVEL

if TYPE_CHECKING:
    from aggregation.arrays import Floats

# No stride is longer, so that rounding is not blown up where steps hardly bend.
LONGEST = 64.0


class Counting(Protocol):
    """A fit that remembers counts, and a few parameters beside them that follow from step to step."""

    counts: Floats
    class_counts: Floats
    many_cells: bool

    def beside(self) -> Floats:
        """Read the parameters beside the counts, all above 0, as one vector."""

    def set_beside(self, beside: Floats) -> None:
        """Set the parameters beside the counts, which may lie outside of what is allowed."""

    def maximise(self) -> None:
        """Take the step of maximisation."""

    def expect(self) -> tuple[float, float]:
        """Take the step of expectation; give the bound and the largest change of a probability."""


def climb(fit: Counting, max_iter: int, tol: float) -> Ascent:
    """Climb until no probability changes by more than ``tol``, or the bound is level."""
    ascent = Ascent(max_iter, tol, many_cells=fit.many_cells)
    longest = GROWTH
    fit.expect()
    size = fit.counts.size + fit.class_counts.size + fit.beside().size
    start, middle, end, to = (empty(size) for _ in range(4))
    while True:
        _read(fit, start)
        for reached in (middle, end):
            fit.maximise()
            bound, change = fit.expect()
            if ascent.arrive(bound, change):
                return ascent
            _read(fit, reached)
        stride = _extrapolate(start, middle, end, longest, to)
        if stride <= 1.0:
            continue
        _set_state(fit, to)
        fit.maximise()
        higher, change = fit.expect()
        if higher >= bound - LEVEL * (1 + abs(bound)):
            if ascent.arrive(max(higher, bound), change):
                return ascent
            longest = min(longest * GROWTH, LONGEST) if stride >= longest else longest
        else:
            longest = max(longest / GROWTH, 1.0 + 1e-9)
            _set_state(fit, end)


def _extrapolate(start: Floats, middle: Floats, end: Floats, longest: float, to: Floats) -> float:
    """Go on along two steps, to ``to``, and give the stride; where it is 1 or less, nowhere. Works in ``middle``."""
    step, bend = np.subtract(middle, start, out=middle), np.subtract(end, start, out=to)
    for _ in range(2):
        bend -= step
    stride = min(math.sqrt(_square(step) / max(_square(bend), 1e-300)), longest)
    if stride > 1.0:
        bend *= stride**2
        step *= 2 * stride
        to += step
        to += start
        np.maximum(to, 0.0, out=to)
    return stride


def _square(vector: Floats) -> float:
    """Sum the squares; `@` would wake the threads of BLAS for it, and wait for them longer than it takes."""
    return float(np.einsum("i,i->", vector, vector))


def _read(fit: Counting, state: Floats) -> None:
    np.concatenate([fit.counts.ravel(), fit.class_counts.ravel(), fit.beside()], out=state)


def _set_state(fit: Counting, state: Floats) -> None:
    counts, class_counts, beside = np.split(state, np.cumsum([fit.counts.size, fit.class_counts.size]))
    fit.counts.reshape(-1)[:] = counts
    fit.class_counts.reshape(-1)[:] = class_counts
    fit.set_beside(beside)
