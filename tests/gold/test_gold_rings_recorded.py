"""Rings among real workers, where ASSAY_DATASETS names the folder of the public sets."""

import numpy as np
import pytest

from gold.evidence import Answers
from gold.rings import find
from gold.sequential import Rules
from tests.aggregation.crowds import read_set

LOYAL, SHARE, ANSWERED = 0.9, 0.2, 20


@pytest.mark.parametrize("name", ["rte", "dog", "sp", "temp", "bluebird"])
def test_no_ring_is_seen_among_recorded_workers_until_one_is_put_there(name):
    """A fifth of those who answered twenty items or more are made to share; a tenth of the items is gold."""
    table, truth = read_set(name)
    rng, place = np.random.default_rng(0), np.arange(table.n_answers)
    known = np.flatnonzero(truth >= 0)
    gold = rng.choice(known, max(20, known.size // 10), replace=False)
    accepted = np.zeros((table.n_items, table.n_labels), dtype=bool)
    accepted[gold, truth[gold]] = True
    item, worker = table.item.astype(np.int64), table.worker.astype(np.int64)
    given = np.bincount(worker, minlength=table.n_workers)
    often = np.flatnonzero(given >= ANSWERED)
    ring = np.isin(np.arange(table.n_workers), rng.choice(often, int(SHARE * often.size), replace=False))
    shared = rng.integers(table.n_labels, size=table.n_items)[item]
    label = np.where(ring[worker] & (rng.random(place.size) < LOYAL), shared, table.label)
    before, after = (
        find(Answers(item, worker, one.astype(np.int64), place, place), accepted, table.n_workers, Rules())
        for one in (table.label, label)
    )
    assert not before.alike.any()
    assert after.members[ring].mean() > 0.7
    assert after.members[~ring & (given > 0)].mean() < 0.03
