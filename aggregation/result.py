"""What an inference gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aggregation.arrays import Floats, Ints

# Two probabilities this close are a tie: numbering items or workers otherwise moves them by about 1e-12.
TIE = 1e-9


class ConvergenceWarning(UserWarning):
    """The inference stopped at its maximum number of iterations, before its tolerance or a level bound was reached."""


@dataclass(frozen=True, eq=False)
class Result:
    """
    The inferred labels of a table and what was learnt of its workers.

    Attributes
    ----------
    posterior : (n_items, n_labels) float64
        Distribution over the labels of each item; rows sum to 1.
    labels : (n_items,) int64
        Most probable label; ties are broken by prevalence, then by the lower index.
    confusion : (n_workers, n_labels, n_labels) float64 or None
        P(answer given true label) per worker: rows true, columns answered; None where the method has none.
    prevalence : (n_labels,) float64
    objective : (n_iter,) float64
        The bound that the method maximises, after each iteration.
    n_iter : int
    converged : bool
        Whether the climb ended by itself: no probability changed by more than ``tol`` in its last step, or its bound
        was level; ``params["ended"]`` tells which. See `ascent`.
    method : str
    params : Mapping[str, Any]
        What the method was run with, in types that JSON can carry.
    calibrated : (n_items, n_labels) float64
        The posterior made honest; see `calibration`. Gold keeps what is known of it. Of an item in doubt another
        label than the method's can be the more probable one.

    """

    posterior: Floats
    labels: Ints
    confusion: Floats | None
    prevalence: Floats
    objective: Floats
    n_iter: int
    converged: bool
    method: str
    params: Mapping[str, Any]
    calibrated: Floats = field(default_factory=lambda: np.zeros((0, 0)))

    @property
    def confidence(self) -> Floats:
        """How sure one may be of each item's label, calibrated, (n_items,)."""
        chosen: Floats = self.calibrated[np.arange(self.labels.size), self.labels]
        return chosen


def most_probable(posterior: Floats, prevalence: Floats) -> Ints:
    """
    Pick the label of each item, (n_items,): ties go to the more prevalent label, then to the lower index.

    Parameters
    ----------
    posterior : (n_items, n_labels)
    prevalence : (n_labels,)

    """
    if not posterior.size:
        return np.zeros(posterior.shape[0], dtype=np.int64)
    rank = ranks(prevalence)
    labels: Ints = posterior.argmax(axis=1)
    tied = posterior >= posterior.max(axis=1, keepdims=True) - TIE
    unsure = np.flatnonzero(np.count_nonzero(tied, axis=1) > 1)
    labels[unsure] = np.where(tied[unsure], rank, -1.0).argmax(axis=1)
    return labels


def ranks(prevalence: Floats) -> Floats:
    """Round prevalence, (n_labels,), so that labels of which one is as common as the other fall back on the index."""
    rounded: Floats = np.round(prevalence, 9)
    return rounded
