"""Decide about gold items and about what to believe of workers: pure functions over facts and arrays.

Gold: `bank` (facts and versions), `choose` and `ask` (which, and when), `candidates`, `suspicion`, `bias`.
Workers: `score` and `trust` (what gold says), `evidence`, `sequential`, `standing` and `rescore` (the test and the
states), `rings` and `sharing` (who shares answers), `worth` (who rests), `earlier`, `automation`, `drift`, `active` and
`reliability` (the report). Rules: `operating` (what they do) and `dry_run`.
"""

from gold.ask import AskPolicy
from gold.choose import GoldPlan, TooLittleGoldError, choose, needed
from gold.score import GoldScore, score
from gold.sequential import Rules
from gold.standing import STATES, Standing, judge
from gold.trust import Trust, believe

__all__ = [
    "STATES",
    "AskPolicy",
    "GoldPlan",
    "GoldScore",
    "Rules",
    "Standing",
    "TooLittleGoldError",
    "Trust",
    "believe",
    "choose",
    "judge",
    "needed",
    "score",
]
