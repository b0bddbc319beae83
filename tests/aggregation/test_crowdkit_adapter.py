import subprocess
import sys

import numpy as np
import pytest
from crowds import simulate

from aggregation import LabelTable, aggregate


def test_gold_is_kept_to_and_items_without_answers_are_there():
    table, truth = simulate(n_items=60, n_workers=8, n_labels=2)
    wider = LabelTable.from_arrays(table.item, table.worker, table.label, n_labels=3, n_items=62)
    gold = np.full(62, -1)
    gold[:5] = 1 - truth[:5]
    result = aggregate(wider, "crowdkit:DawidSkene", gold=gold)
    np.testing.assert_array_equal(result.labels[:5], 1 - truth[:5])
    assert result.posterior.shape == (62, 3)


def test_what_crowdkit_does_not_have_is_refused():
    table, _ = simulate(n_items=5)
    with pytest.raises(ValueError, match="unknown model crowdkit:Oracle: choose one of crowdkit:MajorityVote"):
        aggregate(table, "crowdkit:Oracle")
    with pytest.raises(ValueError, match="does not take these options"):
        aggregate(table, "crowdkit:DawidSkene", magic=1)


def test_what_mace_learns_of_one_worker_and_label_is_not_taken_for_anothers():
    """Half of the crowd always gives one label; as crowd-kit comes, the others seem to have that habit."""
    rng = np.random.default_rng(0)
    truth = (rng.random(150) < 0.5).astype(int)
    item = np.repeat(np.arange(150), 6)
    worker = np.concatenate([rng.permutation(12)[:6] for _ in range(150)])
    label = np.where(rng.random(item.size) < 0.8, truth[item], 1 - truth[item])
    table = LabelTable.from_arrays(item, worker, np.where(worker % 2 == 0, 1, label), n_labels=2)
    assert (aggregate(table, "crowdkit:MACE", n_restarts=1).labels == truth).mean() > 0.8


def test_that_a_model_of_theirs_was_stopped_before_it_converged_is_told():
    table, _ = simulate(n_items=60, n_workers=8)
    stopped, arrived = (aggregate(table, "crowdkit:DawidSkene", n_iter=n) for n in (2, 200))
    assert (stopped.converged, stopped.params["steps"]) == (False, 2)
    assert arrived.converged
    assert 2 < arrived.params["steps"] < 200


def test_the_package_does_not_import_crowdkit_or_numba():
    code = "import sys, aggregation; print({'crowdkit', 'numba', 'pandas', 'scipy'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert shown.strip() == "set()"
