"""Decide about gold items and about what to believe of workers."""

from gold.choose import GoldPlan, TooLittleGoldError, choose, needed
from gold.score import GoldScore, score
from gold.trust import Trust, believe

__all__ = ["GoldPlan", "GoldScore", "TooLittleGoldError", "Trust", "believe", "choose", "needed", "score"]
