"""The bounds of a climb, step by step, and where it is over.

A climb is over when no probability changes by more than ``tol`` in a step. Where there are more cells of confusion
than answers, as with hundreds of labels, it may be over before. There the bound can come to rest while a few
probabilities creep on for thousands of steps, at rates that fall like one divided by their number and not by a
factor, to raise it by what rounding makes of such a sum and less. So such a climb ends too where the bound is level:
over the last `WINDOW` steps it rose by less than `LEVEL` of itself a step, and the largest change, quarter by
quarter, did not grow, and hardly shrank. Where it shrinks well the tolerance will be reached soon, and is worth
reaching. Where it grows, a climb is on its way out of a saddle, and goes on. With answers enough for its parameters a
climb goes all the way: steps are cheap then, and on poor workers' answers some go by saddles as flat as that.

What could still come is little: at `LEVEL` a step ten thousand more raise the bound by a millionth of it. But
probabilities may then still be moving by more than ``tol``, so a result tells which it was (``params["ended"]``).
With a tolerance of 0, which nothing reaches, every step is taken that was asked for. docs/engine.md says what was
measured.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# How much of itself a bound that is level rises by in a step, at most.
LEVEL = 1e-10
# Steps in a row that tell it.
WINDOW = 64
# Why a climb ended.
TOLERANCE, LEVELLED, LIMIT = "tolerance", "level", "max_iter"


class Ascent:
    """
    A climb so far.

    Attributes
    ----------
    objective : list of float
        The bound after each step.
    ended : str
        Why it is over: no probability changed by more than ``tol`` ("tolerance"), the bound is level ("level"), or it
        was cut off ("max_iter"). Of a climb that is not over, the last.

    """

    def __init__(self, max_iter: int, tol: float, *, many_cells: bool = False) -> None:
        """Begin one of at most ``max_iter`` steps; it may end level where cells of confusion outnumber answers."""
        self.objective: list[float] = []
        self.ended = LIMIT
        self._max_iter, self._tol, self._may_level = max_iter, tol, many_cells and tol > 0
        self._changes: list[float] = []

    @property
    def converged(self) -> bool:
        """Say if it is over for another reason than that it was cut off."""
        return self.ended != LIMIT

    @property
    def at_limit(self) -> bool:
        """Say if no further step may be taken."""
        return len(self.objective) >= self._max_iter

    def arrive(self, bound: float, change: float) -> bool:
        """Take down a step's bound and its largest change of a probability; say if the climb is over."""
        self.objective.append(bound)
        self._changes.append(change)
        if change <= self._tol:
            self.ended = TOLERANCE
        elif self._may_level and self._level():
            self.ended = LEVELLED
        return self.converged or self.at_limit

    def _level(self) -> bool:
        if len(self.objective) <= WINDOW:
            return False
        before, bound = self.objective[-1 - WINDOW], self.objective[-1]
        if bound - before > WINDOW * LEVEL * (1 + abs(bound)):
            return False
        changes = self._changes[-WINDOW:]
        quarters = [max(changes[first : first + WINDOW // 4]) for first in range(0, WINDOW, WINDOW // 4)]
        grew = quarters != sorted(quarters, reverse=True)
        return math.isfinite(quarters[0]) and not grew and quarters[3] > quarters[1] / 2


def last(ends: Iterable[str]) -> str:
    """Give the end of several climbs that is furthest from the tolerance."""
    return max(ends, key=(TOLERANCE, LEVELLED, LIMIT).index)
