"""What facts of a job say against its gold, of all jobs against a bank's, and against the consensus by them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aggregation import ConvergenceWarning, LabelTable, aggregate
from gold.bias import bias
from gold.evidence import Answers
from gold.flags import Flag
from gold.suspicion import suspicious
from service.bank_case import BankCase
from service.case import Bools, Case, Floats

Ints = npt.NDArray[np.int64]

# The closing run of a large job may take minutes; this is the model that interim runs take.
_METHOD = "dawid_skene"


@dataclass(frozen=True, eq=False)
class Found:
    """What was found.

    Attributes
    ----------
    gold : tuple of Flag
        The subject is an item, of the job or the bank.
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
    without_gold = _without_gold(counting, case.accepted.shape, case.n_workers)
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


def flag_bank(case: BankCase) -> Found:
    """Test all gold of a bank by what was answered to it in every job, and by the consensus of these answers."""
    answers, n_workers = case.answers, int(case.met.worker.max(initial=-1)) + 1
    given = np.zeros(case.accepted.shape, dtype=np.int64)
    if not n_workers:
        return Found((), (), given)
    np.add.at(given, (answers.item, answers.label), 1)
    without_gold = _without_gold(answers, given.shape, n_workers)
    found = suspicious(
        answers,
        case.accepted,
        np.ones(n_workers, dtype=bool),
        seconds=case.seconds,
        usual=case.usual,
        job=case.met.job,
        without_gold=without_gold,
        labels=case.labels,
    )
    alarms = bias(without_gold, case.accepted, given.sum(axis=1) > 0, labels=case.labels)
    return Found(tuple(found), tuple(alarms), given)


def _without_gold(answers: Answers, shape: tuple[int, ...], n_workers: int) -> Floats:
    """Return the calibrated consensus of answers that are in order, with no gold known, (n_items, n_labels)."""
    n_items, n_labels = shape
    table = LabelTable.from_arrays(
        answers.item, answers.worker, answers.label, n_labels, n_items=n_items, n_workers=n_workers
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return aggregate(table, method=_METHOD).calibrated
