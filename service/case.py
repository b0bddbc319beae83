"""What a job's workers are judged by: the facts of the job, and what earlier jobs left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt

from gold.earlier import carry, discount, prior, priors
from gold.evidence import Answers
from service.store.answer_arrays import Facts
from service.store.earlier import EarlierJob

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Earlier:
    """What a team's earlier jobs left of a job's workers.

    Attributes
    ----------
    log_odds : (n_workers,) float64
        Bad over good, discounted and held within bounds.
    alpha, beta : (n_workers,) float64
        A Beta prior of their accuracy.
    by_label : (floats, floats)
        What gold of each label value in jobs of the same kind left, discounted: right, and of how much, (n_workers,
        n_labels) each.
    """

    log_odds: Floats
    alpha: Floats
    beta: Floats
    by_label: tuple[Floats, Floats]

    @classmethod
    def of(cls, jobs: Sequence[EarlierJob], n_workers: int, labels: Sequence[str] = ()) -> Earlier:
        """Sum up what each worker's earlier jobs say, discounted by age and kind."""
        weight = discount([job.days for job in jobs], [job.alike for job in jobs]).tolist()
        right, total = np.zeros((n_workers, len(labels))), np.zeros((n_workers, len(labels)))
        place = {label: number for number, label in enumerate(labels)}
        for job, share in zip(jobs, weight, strict=True):
            for one in job.labels:
                if met := one.get("gold"):  # scorings of former versions did not keep it
                    right[job.worker_no, place[one["label"]]] += share * met["right"]
                    total[job.worker_no, place[one["label"]]] += share * met["total"]
        past = cls(np.zeros(n_workers), np.ones(n_workers), np.ones(n_workers), priors(right, total))
        for worker, rows in groupby(range(len(jobs)), key=lambda row: jobs[row].worker_no):
            chosen = list(rows)
            weights = [weight[row] for row in chosen]
            past.log_odds[worker] = carry([jobs[row].log_ratio for row in chosen], weights)
            past.alpha[worker], past.beta[worker] = prior(
                [jobs[row].gold_right for row in chosen], [jobs[row].gold_total for row in chosen], weights
            )
        return past


@dataclass(frozen=True, eq=False)
class Case:
    """What a job's workers are judged by.

    Attributes
    ----------
    answers : Answers
        All that were given and not rejected.
    seconds : (n_answers,) float64
        That each answer took, as its assignment was accepted and handed in; NaN where that is not known.
    accepted : (n_items, n_labels) bool
        Accepted labels of the gold in force.
    labels : tuple of str
        The job's label values.
    worker_ids : mapping of int to str
        Assay's ids of the workers, to name them in the evidence.
    n_workers : int
    """

    answers: Answers
    seconds: Floats
    accepted: Bools
    labels: tuple[str, ...]
    worker_ids: Mapping[int, str]
    n_workers: int
    past: Earlier

    @classmethod
    def of(
        cls,
        facts: Facts,
        accepted: Bools,
        labels: tuple[str, ...],
        worker_ids: Mapping[int, str],
        n_workers: int,
        earlier: Sequence[EarlierJob] = (),
    ) -> Case:
        """Take what is stored; an assignment's time is shared out evenly over its answers."""
        _, place, count = np.unique(facts.assignment, return_inverse=True, return_counts=True)
        seconds = (facts.submitted - facts.accepted) / 1e6 / count[place]
        answers = Answers(
            item=facts.item.astype(np.int64),
            worker=facts.worker.astype(np.int64),
            label=facts.label.astype(np.int64),
            submitted=facts.submitted,
            assignment=np.arange(facts.item.size),  # they stand in the order in which they supersede
        )
        known = np.where(seconds > 0, seconds, np.nan)
        return cls(answers, known, accepted, labels, worker_ids, n_workers, Earlier.of(earlier, n_workers, labels))
