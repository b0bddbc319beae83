"""What a bank's gold is judged by: what workers answered to it in every job that copied it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gold.evidence import Answers
from service.case import Bools, Floats
from service.store.bank_answers import CopiedTo, Integers, Met
from service.store.gold_banks import Bank, BankItem


@dataclass(frozen=True, eq=False)
class BankCase:
    """A bank's gold, and its answers.

    Attributes
    ----------
    bank : Bank
    items : mapping of int to BankItem
    jobs : mapping of int to CopiedTo
        By job_no.
    accepted : (n_items, n_labels) bool
        Of the versions that the bank has in force; rows of False of what is excluded.
    met : Met
        Each worker's last answer to an item in the first job in which they met it, with label values as the bank
        numbers them. What they gave in a later job they may have known from the earlier.
    seconds, usual : (n_answers,) float64
        That each answer's assignment took, and that its worker's assignments in that job usually take; NaN where that
        is not known.
    """

    bank: Bank
    items: Mapping[int, BankItem]
    jobs: Mapping[int, CopiedTo]
    accepted: Bools
    met: Met
    seconds: Floats
    usual: Floats

    @classmethod
    def of(
        cls,
        bank: Bank,
        items: Sequence[BankItem],
        jobs: Mapping[int, CopiedTo],
        met: Met,
        usual: Mapping[tuple[int, int], float],
    ) -> BankCase:
        """Lay out what is stored. usual: seconds of an assignment, by (job_no, worker_no)."""
        labels: list[str] = bank.task["labels"]
        accepted = np.zeros((1 + max((one.item_no for one in items), default=-1), len(labels)), dtype=bool)
        for one in items:
            if one.state != "excluded":
                accepted[one.item_no, [entry["label"] for entry in one.accepted]] = True
        first = met.rows(_first_met(met))
        for job_no in np.unique(first.job).tolist():
            rows, its_labels = first.job == job_no, jobs[job_no].labels
            first.label[rows] = np.array([labels.index(name) for name in its_labels])[first.label[rows]]
        seconds = (first.submitted - first.accepted) / 1e6
        pairs = zip(first.job.tolist(), first.worker_no.tolist(), strict=True)
        return cls(
            bank=bank,
            items={one.item_no: one for one in items},
            jobs=jobs,
            accepted=accepted,
            met=first,
            seconds=np.where(seconds > 0, seconds, np.nan),
            usual=np.array([usual.get(pair, np.nan) for pair in pairs], dtype=np.float64),
        )

    @property
    def labels(self) -> list[str]:
        """The bank's label values."""
        labels: list[str] = self.bank.task["labels"]
        return labels

    @property
    def answers(self) -> Answers:
        """The answers, in the order of their time."""
        met = self.met
        return Answers(met.item, met.worker, met.label, met.submitted, np.arange(met.item.size))


def _first_met(met: Met) -> Integers:
    """Return the rows of a worker's last answer to an item in the first job in which they met it, in order."""
    pair = met.item * (int(met.worker.max(initial=0)) + 1) + met.worker
    pairs, first, at = np.unique(pair, return_index=True, return_inverse=True)
    kept = np.flatnonzero(met.job == met.job[first[at]])
    last = np.zeros(pairs.size, dtype=np.int64)
    np.maximum.at(last, at[kept], kept)
    return np.sort(last)
