"""How right probabilities are: accuracy, calibration error, log loss and Brier score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aggregation.result import TIE

if TYPE_CHECKING:
    import numpy.typing as npt

    from aggregation.arrays import Bools, Floats

# A label that was given no probability at all costs this much of it, so that one item cannot decide a mean.
LEAST = 1e-10


def hits(posterior: npt.ArrayLike, truth: npt.ArrayLike) -> Floats:
    """
    Say of each item whether its most probable label is right, (n_items,); where k labels tie, 1/k of a hit.

    Parameters
    ----------
    posterior : (n_items, n_labels)
    truth : (n_items,) int or (n_items, n_labels) bool
        The true labels; or all that are right, at least one for each item. So in the other scores too.

    """
    posterior, right = _fitting(posterior, truth)
    best = posterior >= posterior.max(axis=1, keepdims=True) - TIE if posterior.size else posterior > 0
    share: Floats = (best & right).sum(axis=1) / np.maximum(best.sum(axis=1), 1)
    return share


def accuracy(posterior: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Give the share of items whose most probable label is right; ties count fractionally."""
    return float(hits(posterior, truth).mean())


def expected_calibration_error(confidence: npt.ArrayLike, right: npt.ArrayLike, *, bins: int = 10) -> float:
    """
    Give the mean distance of confidence from the share that is right, over bins of equal width.

    M. Pakdaman Naeini, G. Cooper, M. Hauskrecht (2015), Obtaining well calibrated probabilities using Bayesian
    binning, AAAI.

    Parameters
    ----------
    confidence : (n,) float in [0, 1]
    right : (n,) truth values, or shares of a hit

    """
    confidence, right = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if confidence.shape != right.shape or confidence.ndim != 1:
        raise ValueError(f"confidence and right differ in shape: {confidence.shape}, {right.shape}")
    if not confidence.size:
        raise ValueError("without items there is no calibration error")
    bin_of = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gap = np.bincount(bin_of, confidence - right, minlength=bins)
    return float(np.abs(gap).sum() / confidence.size)


def log_loss(posterior: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Give the mean negative log probability of what is true, in nats."""
    posterior, right = _fitting(posterior, truth)
    chance = np.where(right, posterior, 0.0).sum(axis=1)
    return float(-np.log(np.clip(chance, LEAST, 1.0)).mean())


def brier_score(posterior: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Give the mean squared distance from the nearest truth, over all labels (G. Brier 1950): from 0 to 2."""
    posterior, right = _fitting(posterior, truth)
    chance = np.where(right, posterior, 0.0).max(axis=1)
    return float(((posterior**2).sum(axis=1) - 2 * chance + 1).mean())


def _fitting(posterior: npt.ArrayLike, truth: npt.ArrayLike) -> tuple[Floats, Bools]:
    """Check that posterior and truth fit each other; give it and which labels are right, (n_items, n_labels) each."""
    posterior, truth = np.asarray(posterior, dtype=np.float64), np.asarray(truth)
    one_each = truth.ndim == 1
    if posterior.ndim != 2 or truth.shape != (posterior.shape[:1] if one_each else posterior.shape):
        raise ValueError(f"posterior and truth do not fit each other: {posterior.shape}, {truth.shape}")
    if not truth.size:
        raise ValueError("without items there is nothing to score")
    if one_each and (truth.min() < 0 or truth.max() >= posterior.shape[1]):
        raise ValueError(f"true labels must lie between 0 and {posterior.shape[1] - 1}")
    right: Bools = truth[:, None] == np.arange(posterior.shape[1]) if one_each else truth.astype(bool)
    if not right.any(axis=1).all():
        raise ValueError("of every item that is scored a label must be right")
    return posterior, right
