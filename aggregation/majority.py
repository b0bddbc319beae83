"""Majority vote: each label's share of an item's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aggregation.result import Result, most_probable

if TYPE_CHECKING:
    from aggregation.arrays import Floats
    from aggregation.gold import Clamp
    from aggregation.table import LabelTable


def shares(table: LabelTable, clamp: Clamp) -> tuple[Floats, Floats]:
    """
    Give each label's share of each item's answers, with gold clamped, and the mean share of each label.

    Items without answers take the mean; with no answers at all every label has the same share. Gold has no
    part in the mean: which items are gold is chosen, and says nothing of how common a label is.

    Returns
    -------
    posterior : (n_items, n_labels) float64
    prevalence : (n_labels,) float64

    """
    posterior = table.votes()
    answered = posterior.any(axis=1)
    posterior[answered] /= posterior[answered].sum(axis=1, keepdims=True)
    counted = answered & ~clamp.known
    even = np.full(table.n_labels, 1 / table.n_labels)
    prevalence = posterior[counted].mean(axis=0) if counted.any() else even
    posterior[~answered] = prevalence
    return clamp.apply(posterior), prevalence


def majority(table: LabelTable, clamp: Clamp) -> Result:
    """Aggregate by majority vote."""
    posterior, prevalence = shares(table, clamp)
    return Result(
        posterior=posterior,
        labels=most_probable(posterior, prevalence),
        confusion=None,
        prevalence=prevalence,
        objective=np.zeros(0),
        n_iter=0,
        converged=True,
        method="majority",
        params={},
    )
