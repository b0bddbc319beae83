"""Which of a job's items are put before a person as candidates for gold, and on what evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aggregation import LabelTable
from gold.candidates import Candidate, CandidatePolicy, candidates, fit
from service.store.answer_arrays import Ints
from service.store.gold_candidates import Sure
from service.store.runs import JobToInfer

POLICY = CandidatePolicy()


@dataclass(frozen=True, eq=False)
class Offers:
    """What is offered.

    Attributes
    ----------
    candidates : tuple of Candidate
        Their `item` is an item_no.
    votes : (n_candidates, n_labels) int
        Answers that count, by label value.
    by_label : (n_labels,) int
        How many items may be put before a person, by the label of their consensus.
    """

    candidates: tuple[Candidate, ...]
    votes: npt.NDArray[np.int64]
    by_label: npt.NDArray[np.int64]


def offer(sure: Sure, answers: tuple[Ints, Ints, Ints], size: JobToInfer, n: int) -> Offers:
    """Offer n candidates of those items of whose label the consensus is sure.

    Parameters
    ----------
    answers : tuple of (n_answers,) int
        Items, workers and labels of what counts, in the order in which a later answer supersedes.
    """
    wanted = np.zeros(size.n_items, dtype=bool)
    wanted[sure.item] = True
    table = LabelTable.from_arrays(*answers, size.n_labels, n_items=size.n_items, n_workers=size.n_workers)
    of_item = table.item
    agreed = np.zeros(size.n_items, dtype=np.int64)
    label = np.full(size.n_items, -1, dtype=np.int64)
    label[sure.item] = sure.label
    np.add.at(agreed, of_item[table.label == label[of_item]], 1)
    given = table.answers_per_item[sure.item]
    found = candidates(sure.label, sure.confidence, given, agreed[sure.item], POLICY, n=n)
    item = sure.item[[one.item for one in found]]
    place = np.full(size.n_items, -1, dtype=np.int64)
    place[item] = np.arange(item.size)
    votes = np.zeros((item.size, size.n_labels), dtype=np.int64)
    theirs = place[of_item] >= 0
    np.add.at(votes, (place[of_item[theirs]], table.label[theirs]), 1)
    fits = fit(sure.confidence, given, POLICY)
    return Offers(
        tuple(
            Candidate(int(number), one.label, one.confidence, one.n_answers, one.agreeing)
            for number, one in zip(item.tolist(), found, strict=True)
        ),
        votes,
        np.bincount(sure.label[fits], minlength=size.n_labels),
    )


def evidence(one: Candidate, votes: npt.NDArray[np.int64], probabilities: list[float], run_id: str) -> dict[str, Any]:
    """Return what a person is shown of a candidate, by label index, in types that JSON can carry."""
    second, first = sorted(probabilities)[-2:]
    return {
        "label": one.label,
        "confidence": one.confidence,
        "margin": first - second,
        "answers": votes.tolist(),
        "reason": one.reason,
        "run_id": run_id,
    }
