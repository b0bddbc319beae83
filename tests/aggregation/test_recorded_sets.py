"""Accuracy on the twelve public sets, where ASSAY_DATASETS names their folder."""

import numpy as np
from crowds import SETS, accuracy, read_set

from aggregation import aggregate


def test_dawid_skene_is_as_accurate_as_crowdkits_on_average():
    measured = []
    for name in SETS:
        table, truth = read_set(name)
        measured.append(accuracy(aggregate(table).posterior, truth))
    # crowd-kit 1.4.2's DawidSkene has 84.8, majority vote 82.4.
    assert np.mean(measured) >= 0.848


def test_a_recorded_repeat_is_dropped():
    table, _ = read_set("zc_us")
    assert table.n_dropped > 0
    assert table.n_dropped + table.n_answers == 12_190
