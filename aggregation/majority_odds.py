"""What the word of a majority is worth: a witness beside a model, with odds of its own.

What a model knows of workers and labels it can know wrongly, all at once; a majority is wrong item by item. The less
there is to learn a worker's confusion from, the more the majority's word is worth: its odds are in inverse proportion
to how many answers there are for each cell of confusion, from two to nine. With gold the odds are those by which most
gold that was not told comes out right.

Chosen by thinned versions of twelve public sets and by crowds made up: see docs/accuracy.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from aggregation.result import TIE, most_probable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aggregation.arrays import Bools, Floats
    from aggregation.gold import Clamp, HeldOut
    from aggregation.result import Result
    from aggregation.table import LabelTable

# Answers for each cell of confusion at which the odds of the majority would be even, and between which odds they stay.
EVEN, LEAST_ODDS, MOST_ODDS = 50.0, 2.0, 9.0
# How far gold can move them, from even odds on.
MOST_BY_GOLD = 36.0
# Gold items that have to come out right besides, for each factor of e that the odds are moved by.
RELUCTANCE = 0.6


def odds_of_majority(table: LabelTable, even: float = EVEN) -> float:
    """Say by what odds a majority is heard, from how much there is to learn a worker's confusion from.

    Workers and label values that occur in no answer have no part in it.
    """
    workers, labels = (np.count_nonzero(np.bincount(given)) for given in (table.worker, table.label))
    return float(np.clip(even * workers * labels**2 / max(table.n_answers, 1), LEAST_ODDS, MOST_ODDS))


def learn_odds(
    table: LabelTable, clamp: Clamp, result: Result, held_out: Sequence[HeldOut]
) -> tuple[Result, list[HeldOut]]:
    """
    Hear the majority as gold has it: with the odds by which most gold that was not told comes out right.

    Where most workers share a bias, gold alone can tell; where they know better than the models, it tells that.
    Gives the result, and those that were inferred without half of the gold, with these odds.
    """
    before = odds_of_majority(table)
    candidates = np.unique([before, *np.geomspace(1, MOST_BY_GOLD, 25)])

    def worth(odds: float) -> float:
        hits = sum(float(one.hits(_rehear(table, one.known, one.result, odds).labels).sum()) for one in held_out)
        return hits - RELUCTANCE * abs(float(np.log(odds / before)))

    odds = max(candidates.tolist(), key=worth)
    heard = [replace(one, result=_rehear(table, one.known, one.result, odds)) for one in held_out]
    return _rehear(table, clamp, result, odds), heard


def _rehear(table: LabelTable, clamp: Clamp, result: Result, odds: float) -> Result:
    """Give the majority other odds than a result of `auto` gave it, if it gave it any."""
    if "majority_odds" not in result.params:
        return result
    change = odds / result.params["majority_odds"]
    posterior, overruled = hear_majority(table, clamp, result.posterior, change)
    params = {**result.params, "majority_odds": odds, "overruled": overruled}
    return replace(result, posterior=posterior, labels=most_probable(posterior, result.prevalence), params=params)


def hear_majority(table: LabelTable, clamp: Clamp, posterior: Floats, odds: float) -> tuple[Floats, int]:
    """Multiply the odds of the labels that most workers gave; count the items whose label is still another."""
    best = _majority(table)
    heard: Floats = posterior * np.where(best, odds, 1.0)
    heard /= heard.sum(axis=1, keepdims=True)
    top = heard >= heard.max(axis=1, keepdims=True) - TIE if heard.size else best
    free = ~clamp.known & (table.answers_per_item > 0)
    return heard, int((~(top & best).any(axis=1) & free).sum())


def _majority(table: LabelTable) -> Bools:
    votes = table.votes()
    best: Bools = (votes == votes.max(axis=1, keepdims=True)) & (votes > 0) if votes.size else votes > 0
    return best
