"""What a job's facts say against its gold, and against its consensus where gold knows better."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aggregation import ConvergenceWarning, LabelTable, aggregate
from gold.bias import bias
from gold.flags import Flag
from gold.suspicion import suspicious
from service.case import Bools, Case

Ints = npt.NDArray[np.int64]

# The closing run of a large job may take minutes; this is the model that interim runs take.
_METHOD = "dawid_skene"


@dataclass(frozen=True, eq=False)
class Found:
    """What was found.

    Attributes
    ----------
    gold : tuple of Flag
        The subject is an item.
    labels : tuple of Flag
        The subject is a label value.
    given : (n_items, n_labels) int
        Answers of workers who are not suspended.
    """

    gold: tuple[Flag, ...]
    labels: tuple[Flag, ...]
    given: Ints


def flag(case: Case, suspended: Bools) -> Found:
    """Test all gold of a job, and the consensus by it.

    Parameters
    ----------
    suspended : (n_workers,) bool
        Their answers speak neither against gold nor for it.
    """
    n_items, n_labels = case.accepted.shape
    ordered = case.answers.in_order()
    counting = ordered.rows(~suspended[ordered.worker])
    given = np.zeros((n_items, n_labels), dtype=np.int64)
    if not counting.item.size:
        return Found((), (), given)
    np.add.at(given, (counting.item, counting.label), 1)
    table = LabelTable.from_arrays(
        counting.item, counting.worker, counting.label, n_labels, n_items=n_items, n_workers=case.n_workers
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        without_gold = aggregate(table, method=_METHOD).calibrated
    found = suspicious(
        ordered,
        case.accepted,
        ~suspended,
        seconds=case.seconds[ordered.assignment],
        without_gold=without_gold,
        labels=case.labels,
    )
    alarms = bias(without_gold, case.accepted, given.sum(axis=1) > 0, labels=case.labels)
    return Found(tuple(found), tuple(alarms), given)
