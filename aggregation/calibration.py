"""Confidence that means what it says: of the items at 90%, nine in ten are right.

Without gold, confidence is the tempered evidence of the answers; see `tempering`. With gold, a logistic curve is
fitted from that confidence to being right (J. Platt 1999, Probabilistic outputs for support vector machines), held
towards the identity by normal priors, so that twenty gold items already help.

Chosen by looking at twelve public sets: the priors' widths.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from aggregation.arrays import Floats, Ints

# Standard deviations, before gold is seen, of the curve's shift and of the logarithm of its slope.
SHIFT, SLOPE = 0.5, 0.5
# Confidence is kept this far from certainty: its log odds must be finite.
EDGE = 1e-3


@dataclass(frozen=True)
class Curve:
    """
    A logistic curve from confidence to the chance to be right.

    Attributes
    ----------
    shift, slope : float
        On log odds; 0 and 1 leave confidence as it is.
    n_gold : int
        How many gold items it was fitted on.

    """

    shift: float = 0.0
    slope: float = 1.0
    n_gold: int = 0

    @classmethod
    def fit(cls, confidence: Floats, right: Floats) -> Curve:
        """
        Fit by maximum a posteriori: Gauss-Newton steps, halved until the loss falls.

        Parameters
        ----------
        confidence : (n_gold,) of items that were not clamped when it was inferred
        right : (n_gold,) truth values or shares of a hit

        """
        x = _log_odds(confidence)
        width = np.array([SHIFT, SLOPE])

        def loss(at: Floats) -> float:
            z = at[0] + np.exp(at[1]) * x
            return float((np.logaddexp(0, z) - right * z).sum() + 0.5 * ((at / width) ** 2).sum())

        at = np.zeros(2)
        for _ in range(100):
            z = at[0] + np.exp(at[1]) * x
            chance = 1 / (1 + np.exp(-z))
            slopes = np.stack([np.ones_like(x), np.exp(at[1]) * x])
            gradient = slopes @ (chance - right) + at / width**2
            curvature = (slopes * (chance * (1 - chance))) @ slopes.T + np.diag(1 / width**2)
            step = -np.linalg.solve(curvature, gradient)
            while loss(at + step) > loss(at) and np.abs(step).max() > 1e-12:
                step /= 2
            at = at + step
            if np.abs(step).max() < 1e-10:
                break
        return cls(float(at[0]), float(np.exp(at[1])), x.size)

    def apply(self, confidence: Floats) -> Floats:
        """Map confidence, (n,), to the chance to be right."""
        if self == Curve():
            return confidence
        chance: Floats = 1 / (1 + np.exp(-self.shift - self.slope * _log_odds(confidence)))
        return chance


def of_labels(probabilities: Floats, labels: Ints) -> Floats:
    """Pick the probability of each item's label, (n_items,)."""
    chosen: Floats = probabilities[np.arange(labels.size), labels]
    return chosen


def with_confidence(probabilities: Floats, labels: Ints, confidence: Floats) -> Floats:
    """Give each item's label its confidence; the other labels share the rest as they did."""
    others = probabilities.copy()
    others[np.arange(labels.size), labels] = 0.0
    total = others.sum(axis=1, keepdims=True)
    n_others = max(probabilities.shape[1] - 1, 1)
    spread = np.where(total > 0, others / np.where(total > 0, total, 1.0), 1 / n_others)
    calibrated = spread * (1 - confidence)[:, None]
    calibrated[np.arange(labels.size), labels] = confidence
    return calibrated


def _log_odds(confidence: Floats) -> Floats:
    kept = np.clip(confidence, EDGE, 1 - EDGE)
    odds: Floats = np.log(kept) - np.log1p(-kept)
    return odds
