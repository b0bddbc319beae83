"""Simulated answers and recorded sets for the tests of inference."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st

from aggregation import LabelTable

SETS = ["rte", "temp", "bluebird", "dog", "senti1k", "sp", "product", "ms", "cf", "face", "zc_us", "trec_vuurens"]


def simulate(n_items=200, n_workers=20, n_labels=3, per_item=5, accuracy=(0.5, 0.95), seed=0):
    """Return a table and the truth: each worker is right with a chance of their own, errors are even."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(n_labels, size=n_items)
    right = rng.uniform(*accuracy, size=n_workers)
    item = np.repeat(np.arange(n_items), per_item)
    worker = np.concatenate([rng.permutation(n_workers)[:per_item] for _ in range(n_items)])
    wrong = (truth[item] + rng.integers(1, n_labels, size=item.size)) % n_labels
    label = np.where(rng.random(item.size) < right[worker], truth[item], wrong)
    return LabelTable.from_arrays(item, worker, label, n_labels=n_labels), truth


def uneven(n_labels, n_items=40):
    """Return a table whose item i has i answers, and accepted labels: one of some gold items, two of others."""
    rng = np.random.default_rng(n_labels)
    item = np.repeat(np.arange(n_items), np.arange(n_items))
    worker = np.concatenate([rng.permutation(n_items + 5)[:n] for n in range(n_items)])
    label = np.where(rng.random(item.size) < 0.6, item % n_labels, rng.integers(n_labels, size=item.size))
    gold = np.zeros((n_items, n_labels), dtype=bool)
    gold[3::7, 0] = True
    gold[5::7, :2] = True
    return LabelTable.from_arrays(item, worker, label, n_labels), gold


@st.composite
def answers(draw, max_items=8, max_workers=5, max_labels=4, min_answers=0):
    """Draw item, worker, label and the numbers of each; repeats and gaps occur."""
    n_items, n_workers = draw(st.integers(1, max_items)), draw(st.integers(1, max_workers))
    n_labels = draw(st.integers(2, max_labels))
    rows = draw(
        st.lists(
            st.tuples(st.integers(0, n_items - 1), st.integers(0, n_workers - 1), st.integers(0, n_labels - 1)),
            min_size=min_answers,
            max_size=40,
        )
    )
    item, worker, label = np.array(rows, dtype=int).reshape(-1, 3).T
    return item, worker, label, n_items, n_workers, n_labels


def table_of(drawn):
    item, worker, label, n_items, n_workers, n_labels = drawn
    return LabelTable.from_arrays(item, worker, label, n_labels=n_labels, n_items=n_items, n_workers=n_workers)


def read_set(name):
    """Return the table of a recorded set and its truth, -1 where it is unknown."""
    if "ASSAY_DATASETS" not in os.environ:
        pytest.skip("ASSAY_DATASETS does not name a folder of recorded sets")
    folder = Path(os.environ["ASSAY_DATASETS"]) / name
    with (folder / "labels.csv").open(newline="") as file:
        rows = [(row["task"], row["worker"], int(row["label"])) for row in csv.DictReader(file)]
    with (folder / "truth.csv").open(newline="") as file:
        known = {row["task"]: int(row["label"]) for row in csv.DictReader(file)}
    tasks = {task: number for number, task in enumerate(dict.fromkeys(row[0] for row in rows))}
    workers = {worker: number for number, worker in enumerate(dict.fromkeys(row[1] for row in rows))}
    item, worker, label = zip(*((tasks[t], workers[w], answer) for t, w, answer in rows), strict=True)
    truth = np.array([known.get(task, -1) for task in tasks])
    n_labels = max(*label, *known.values()) + 1
    return LabelTable.from_arrays(item, worker, label, n_labels=n_labels), truth


def accuracy(posterior, truth):
    """Share of items whose label is right; where labels tie, each counts its share."""
    known = truth >= 0
    rows, right = posterior[known], truth[known]
    best = rows >= rows.max(axis=1, keepdims=True) - 1e-9
    return float((best[np.arange(right.size), right] / best.sum(axis=1)).mean())
