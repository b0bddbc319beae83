"""Candidates for new gold: items of which the consensus is sure, put before a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

if TYPE_CHECKING:
    from aggregation.arrays import Bools, Floats, Ints


class CandidatePolicy(Struct, frozen=True, kw_only=True):
    """What is put before a person.

    Attributes
    ----------
    least_confidence
        Calibrated confidence of the consensus.
    least_answers
        Answers that count; below, sureness is mostly that of the prior.

    """

    least_confidence: float = 0.98
    least_answers: int = 4


class Candidate(Struct, frozen=True):
    """An item that may become gold once a person has signed it off; until then it is nothing but an item."""

    item: int
    label: int
    confidence: float
    n_answers: int
    agreeing: int

    @property
    def reason(self) -> str:
        """Say why it is put before a person."""
        return (
            f"{self.agreeing} of {self.n_answers} workers agree, and the consensus is {self.confidence:.1%} sure. "
            "A person must confirm it before it is gold."
        )


def fit(confidence: Floats, n_answers: Ints, policy: CandidatePolicy) -> Bools:
    """Say which items may be put before a person, all arrays (n_items,)."""
    return (confidence >= policy.least_confidence) & (n_answers >= policy.least_answers)


def candidates(
    label: Ints,
    confidence: Floats,
    n_answers: Ints,
    agreeing: Ints,
    policy: CandidatePolicy,
    *,
    n: int = 50,
) -> list[Candidate]:
    """
    Propose gold, the labels in turn so that rare ones are not left out, the surest of each first.

    Sure items are easy items: gold made of them alone would flatter every worker. So items on which one worker or more
    dissented go first among equals of confidence.

    Parameters
    ----------
    label : (n_items,) int
        The label of the consensus; items that are no gold, nor were refused.
    confidence : (n_items,)
        The consensus' calibrated confidence in it.
    n_answers, agreeing : (n_items,) int
        Answers that count, and how many of them are that label.

    """
    fits = np.flatnonzero(fit(confidence, n_answers, policy))
    unanimous = agreeing[fits] == n_answers[fits]
    order = fits[np.lexsort((fits, -n_answers[fits], unanimous, -np.round(confidence[fits], 2)))]
    turn: Ints = np.zeros(order.size, dtype=np.int64)
    for value in np.unique(label[order]).tolist():
        of_label = label[order] == value
        turn[of_label] = np.arange(of_label.sum())
    chosen = order[np.argsort(turn, kind="stable")][:n]
    return [
        Candidate(item, int(label[item]), float(confidence[item]), int(n_answers[item]), int(agreeing[item]))
        for item in chosen.tolist()
    ]
