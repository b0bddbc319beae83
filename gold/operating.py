"""What the gate's rules do to a worker of any accuracy: computed, before anybody is asked.

The walk on gold is a Markov chain whose state is R alone, so that its distribution after each gold answer follows from
the one before. R is rounded to a fine grid (D. Brook, D. Evans 1972, Biometrika 59); as the walk grows with R, rounding
down at every step bounds its chances from below and rounding up from above.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gold.ask import AskPolicy, chance_bad, gold_rate
from gold.sequential import HEAD, Rules, gold_ratios

if TYPE_CHECKING:
    from aggregation.arrays import Floats, Ints

CELLS = 4000
# Once the chance to be suspended by the next answer has changed by less than `STEADY` of itself for `LONG` answers, it
# is taken to stay: those who are left are spread over the grid as they always will be.
STEADY, LONG = 1e-10, 50
LEAST = 1e-12  # of workers, who are no longer followed


@dataclass(frozen=True, eq=False)
class Characteristic:
    """
    What becomes of workers of one accuracy, on gold alone.

    Attributes
    ----------
    suspended : (n_gold + 1,) float64
        Chance to be suspended by the time so many gold answers are given.
    mean_gold : float
        Gold answers given until suspended, or until all have been asked.

    """

    suspended: Floats
    mean_gold: float


@dataclass(frozen=True, eq=False)
class Cost:
    """
    What watching a worker costs.

    Attributes
    ----------
    gold, items : float
        Gold answers expected, and answers to other items given before a suspension.
    suspended : float
        Chance to be suspended.

    """

    gold: float
    items: float
    suspended: float

    def cents(self, cents_per_answer: float) -> float:
        """Price the gold answers."""
        return self.gold * cents_per_answer


def characteristic(
    accuracy: float, n_labels: int, rules: Rules, n_gold: int, *, round_up: bool = False
) -> Characteristic:
    """
    Compute what `Rules` do to a worker who is right with this chance at every gold answer.

    Raises
    ------
    ValueError
        The accuracy is no share.

    """
    _check(accuracy)
    grid, after_right, after_wrong = _chain(n_labels, rules, round_up=round_up)
    at = np.zeros(grid.size + 1)
    at[_cell(grid, np.array([np.log(HEAD)]), round_up=round_up)[0]] = 1.0
    suspended = np.zeros(n_gold + 1)
    hazard, steady = 0.0, 0
    for step in range(1, n_gold + 1):
        moved = _move(at, after_right, after_wrong, accuracy)
        ended, moved[-1], before = float(moved[-1]), 0.0, hazard
        left = float(moved.sum())
        suspended[step] = suspended[step - 1] + ended
        if left < LEAST or (moved == at).all():
            suspended[step + 1 :] = suspended[step]
            break
        at, hazard = moved, ended / (left + ended)
        steady = steady + 1 if hazard > 0 and abs(hazard - before) <= STEADY * hazard else 0
        if steady == LONG:
            more = np.arange(1, n_gold - step + 1)
            suspended[step + 1 :] = suspended[step] - left * np.expm1(more * np.log1p(-hazard))
            break
    return Characteristic(suspended, float((1 - suspended[:-1]).sum()))


def expected_cost(accuracy: float, n_labels: int, n_answers: int, rules: Rules, policy: AskPolicy) -> Cost:
    """
    Compute what a worker's gold costs over ``n_answers`` answers, gold among them, where agreement tells nothing yet.

    Agreement settles most workers sooner, so for good ones this is the dear case. The base rate is the policy's.
    """
    _check(accuracy)
    grid, after_right, after_wrong = _chain(n_labels, rules, round_up=False)
    rate = np.append(gold_rate(chance_bad(grid, policy.base_rate), policy), 0.0)
    at = np.zeros(grid.size + 1)
    at[_cell(grid, np.array([np.log(HEAD)]), round_up=False)[0]] = 1.0
    gold = items = 0.0
    for _ in range(n_answers):
        asked = at * rate
        gold += asked.sum()
        items += 1 - at[-1] - asked.sum()
        at = at - asked + _move(asked, after_right, after_wrong, accuracy)
    return Cost(float(gold), float(items), float(at[-1]))


def _chain(n_labels: int, rules: Rules, *, round_up: bool) -> tuple[Floats, Ints, Ints]:
    """Give the grid of log R and where each of its cells goes after a right and a wrong answer; the last is the end."""
    right, wrong = (float(ratio) for ratio in gold_ratios(n_labels, rules.good_accuracy))
    rate = -np.log(2 * rules.gold_horizon)
    grid = np.linspace(rate + min(right, wrong), np.log(rules.gold_height), CELLS, endpoint=False)
    grown = np.logaddexp(grid, rate)
    after_right = _cell(grid, grown + right, round_up=round_up)
    return grid, after_right, _cell(grid, grown + wrong, round_up=round_up)


def _cell(grid: Floats, values: Floats, *, round_up: bool) -> Ints:
    """Find the cell of each value; beyond the grid's end is the cell of those who are suspended."""
    step = grid[1] - grid[0]
    place = (values - grid[0]) / step
    cell = np.ceil(place - 1e-9) if round_up else np.floor(place + 1e-9)
    over = values >= grid[0] + step * grid.size - 1e-12
    cells: Ints = np.where(over, grid.size, np.clip(cell, 0, grid.size - (not round_up))).astype(np.int64)
    return cells


def _move(at: Floats, after_right: Ints, after_wrong: Ints, accuracy: float) -> Floats:
    """Take one gold answer: chances move to the cells that follow; the suspended stay."""
    size = at.size
    moved = np.bincount(after_right, at[:-1] * accuracy, minlength=size).astype(np.float64)
    moved += np.bincount(after_wrong, at[:-1] * (1 - accuracy), minlength=size)
    moved[-1] += at[-1]
    return moved


def _check(accuracy: float) -> None:
    if not 0 <= accuracy <= 1:
        raise ValueError(f"an accuracy is a share between 0 and 1, not {accuracy}")
