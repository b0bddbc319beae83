"""Climb faster by extrapolating from pairs of steps, and never lower for it.

Two steps of expectation maximisation say how the way bends; the squared extrapolation goes on along it, and a third
expectation judges where it leads. Where that is lower than after the first step, the second step is taken instead.

R. Varadhan and C. Roland (2008), Simple and globally convergent methods for accelerating the convergence of any EM
algorithm, Scandinavian Journal of Statistics 35(2), scheme S3.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from aggregation.arrays import Floats

# The longest stride allowed grows by this factor whenever it was taken and paid off, and shrinks by it otherwise.
GROWTH = 4.0
# Bounds that differ by less, in proportion, are level: were rounding to decide between two ways, the same answers
# numbered otherwise would be climbed by another.
LEVEL = 1e-13


class Accelerable(Protocol):
    """A fit whose parameters are one vector that can be set in place."""

    penalty: float

    @property
    def parameters(self) -> Floats:
        """The parameters, (n,)."""

    def normalise(self) -> None:
        """Bring parameters that were set, and may lie a little outside of what is allowed, back into it."""

    def maximise(self) -> None:
        """Take the step of maximisation."""

    def expect(self) -> tuple[float, float]:
        """Take the step of expectation; give the bound and the largest change of a probability."""


def climb(fit: Accelerable, max_iter: int, tol: float) -> tuple[list[float], bool]:
    """Climb until no probability changes by more than ``tol``; give the bound after each step, and if it got there."""
    objective: list[float] = []
    fit.expect()
    longest = GROWTH
    start, step, bend, second = (np.empty_like(fit.parameters) for _ in range(4))
    while len(objective) < max_iter:
        start[:] = fit.parameters
        fit.maximise()
        bound, change = fit.expect()
        objective.append(bound)
        if change <= tol or len(objective) == max_iter:
            return objective, change <= tol
        np.subtract(fit.parameters, start, out=step)
        start[:] = fit.parameters
        fit.maximise()
        second[:], penalty = fit.parameters, fit.penalty
        np.subtract(second, start, out=bend)
        bend -= step
        stride = min(math.sqrt(_square(step) / max(_square(bend), 1e-300)), longest)
        if stride <= 1.0:
            bound, change = fit.expect()
        else:
            # From the first of the two steps: its beginning + 2 stride step + stride^2 bend.
            step *= 2 * stride - 1
            bend *= stride**2
            np.add(start, step, out=fit.parameters)
            np.add(fit.parameters, bend, out=fit.parameters)
            fit.normalise()
            reached, change = fit.expect()
            if reached >= bound - LEVEL * (1 + abs(bound)):
                bound = reached
                longest = longest * GROWTH if stride >= longest else longest
            else:
                longest = max(longest / GROWTH, 1.0 + 1e-9)
                fit.parameters[:], fit.penalty = second, penalty
                bound, change = fit.expect()
        objective.append(bound)
        if change <= tol:
            return objective, True
    return objective, False


def _square(vector: Floats) -> float:
    """Take the square of a vector's length, without the threads of BLAS: they would spin beside ours."""
    return float(np.einsum("i,i->", vector, vector))
