"""Candidates for new gold: items of which the consensus is sure, put before a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

if TYPE_CHECKING:
    from aggregation.arrays import Bools, Floats, Ints


class Candidate(Struct, frozen=True):
    """An item that may become gold once a person has signed it off; until then it is nothing but an item."""

    item: int
    label: int
    confidence: float
    n_answers: int
    reason: str


def candidates(
    calibrated: Floats,
    votes: Floats,
    is_gold: Bools,
    *,
    least_confidence: float = 0.98,
    least_answers: int = 4,
    n: int = 50,
) -> list[Candidate]:
    """
    Propose gold, the labels in turn so that rare ones are not left out, the surest of each first.

    Sure items are easy items: gold made of them alone would flatter every worker. So items on which one worker or more
    dissented go first among equals of confidence.

    Parameters
    ----------
    calibrated : (n_items, n_labels)
        Calibrated consensus.
    votes : (n_items, n_labels)
        Answers that count.
    is_gold : (n_items,) bool

    """
    label, sure, answers = calibrated.argmax(axis=1), calibrated.max(axis=1), votes.sum(axis=1)
    fit = np.flatnonzero((sure >= least_confidence) & (answers >= least_answers) & ~is_gold)
    dissent = answers[fit] - votes[fit, label[fit]]
    order = fit[np.lexsort((fit, -answers[fit], dissent == 0, -np.round(sure[fit], 2)))]
    turn: Ints = np.zeros(order.size, dtype=np.int64)
    for value in np.unique(label[order]).tolist():
        of_label = label[order] == value
        turn[of_label] = np.arange(of_label.sum())
    chosen = order[np.argsort(turn, kind="stable")][:n]
    return [
        Candidate(
            item,
            int(label[item]),
            float(sure[item]),
            int(answers[item]),
            f"{int(votes[item, label[item]])} of {int(answers[item])} workers agree, and the consensus is "
            f"{sure[item]:.1%} "
            "sure. A person must confirm it before it is gold.",
        )
        for item in chosen.tolist()
    ]
