"""Climb faster by extrapolating from pairs of steps, and never lower for it.

Two steps of expectation maximisation say how the way bends; the squared extrapolation goes on along it, and a third
expectation judges where it leads. Where that is lower than after the first step, the second step is taken instead.

R. Varadhan and C. Roland (2008), Simple and globally convergent methods for accelerating the convergence of any EM
algorithm, Scandinavian Journal of Statistics 35(2), scheme S3: with the difference that each part of the parameters
has a stride of its own, and terms of its own, as the fit says. On a million simulated answers by workers of whom some
do much more than others, crowd-kit's likelihood was reached in 5 steps, with one stride for all in 8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from aggregation.ascent import Ascent
from aggregation.memory import empty

if TYPE_CHECKING:
    from aggregation.arrays import Floats

# Answers from which climbs are accelerated unless it is said otherwise.
LARGE = 1_000_000
# The longest stride allowed grows by this factor where many took it and it paid off, and shrinks by it where none did.
GROWTH = 4.0
MANY = 0.02
# Bounds that differ by less, in proportion, are level: were rounding to decide between two ways, the same answers
# numbered otherwise would be climbed by another.
LEVEL = 1e-13
# A bound that rises by more in one or two steps, in proportion, has some way to go.
FAST = 1e-7


class Accelerable(Protocol):
    """A fit whose parameters are one vector that can be set in place."""

    penalty: float
    many_cells: bool

    @property
    def parameters(self) -> Floats:
        """The parameters, (n,)."""

    def extrapolate(self, start: Floats, middle: Floats, end: Floats, longest: float) -> float:
        """
        Set parameters to ``middle + (2 s - 1) step + s^2 bend``, brought back into what is allowed.

        The first step leads from ``start`` to ``middle``, the second to ``end``; they differ by the bend. In which
        terms is for the fit to say. Strides ``s`` are from 1 to ``longest``. Gives the share that are ``longest``.
        """

    def maximise(self) -> None:
        """Take the step of maximisation."""

    def expect(self, *, keep: bool = True) -> tuple[float, float]:
        """Take the step of expectation, and keep the posterior or not; give the bound and the largest change of it."""


def climb(fit: Accelerable, max_iter: int, tol: float) -> Ascent:
    """Climb until no probability changes by more than ``tol``, or the bound is level."""
    ascent = Ascent(max_iter, tol, many_cells=fit.many_cells)
    far_off = True

    def expect() -> tuple[float, float]:
        """Keep the posterior in the last step, and once a step can be the last by its change."""
        return fit.expect(keep=len(ascent.objective) + 1 >= max_iter or not far_off)

    before, _ = expect()
    longest = GROWTH
    start, middle, end = (empty(fit.parameters.size) for _ in range(3))
    while True:
        start[:] = fit.parameters
        fit.maximise()
        bound, change = expect()
        if ascent.arrive(bound, change):
            return ascent
        far_off, before = bound - before > FAST * abs(bound), bound
        middle[:] = fit.parameters
        fit.maximise()
        end[:], penalty = fit.parameters, fit.penalty
        far = fit.extrapolate(start, middle, end, longest)
        reached, change = expect()
        if reached >= bound - LEVEL * (1 + abs(bound)):
            bound = reached
            longest = longest * GROWTH if far > MANY else longest
        else:
            longest = max(longest / GROWTH, 1.0)
            fit.parameters[:], fit.penalty = end, penalty
            bound, change = expect()
        if ascent.arrive(bound, change):
            return ascent
