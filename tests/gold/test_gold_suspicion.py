"""Findings about gold, crowds and workers: what is there is found, and what is not there is seldom flagged."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from gold.automation import most_ratio, signs
from gold.bias import bias
from gold.drift import drift, mix_drift
from gold.evidence import Answers
from gold.flags import adjust, tail
from gold.suspicion import suspicious

K = 3


def crowd(seed, *, n_gold=12, n_workers=60, leaked=None, after=15, wrong_key=None, alike=None):
    """Every worker meets every gold in an order of their own; returns answers, accepted labels and seconds."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n_gold) % K
    rows, seconds, exposure = [], [], np.zeros(n_gold, dtype=int)
    for worker in range(n_workers):
        accuracy = rng.uniform(0.65, 0.9)
        pace = rng.uniform(4, 12)
        for item in rng.permutation(n_gold):
            known = item == leaked and exposure[item] >= after
            right = known or rng.random() < accuracy
            label = truth[item] if right else (truth[item] + rng.integers(1, K)) % K
            if item == alike and not right:
                label = (truth[item] + 1) % K
            if item == wrong_key:
                label = (label + 1) % K
            exposure[item] += 1
            rows.append((item, worker, label, len(rows), len(rows)))
            seconds.append(rng.lognormal(np.log(pace), 0.4) * (0.35 if known else 1))
    accepted = np.eye(K, dtype=bool)[truth]
    return Answers(*np.array(rows).T), accepted, np.array(seconds)


def flagged(seed, **options):
    answers, accepted, seconds = crowd(seed, **options)
    return suspicious(answers, accepted, np.ones(60, bool), seconds=seconds)


def drawn(count):
    """Draw seeds, and which gold it is."""
    rng = np.random.default_rng(5)
    return [(int(rng.integers(2**31)), int(rng.integers(12))) for _ in range(count)]


def test_a_leaked_gold_is_found():
    """From some exposure on everybody knows its answer, and gives it quickly: of a thousand, one or two go unseen."""
    seen = 0
    for seed, leaked in drawn(60):
        found = [flag for flag in flagged(seed, leaked=leaked, after=18 + seed % 21) if flag.kind == "leaked"]
        seen += bool(found) and found[0].subject == leaked and "its answer may have got about" in found[0].reason
    assert seen >= 59


def test_gold_with_a_wrong_key_is_missed_by_good_workers():
    for seed, wrong in drawn(20):
        assert (wrong, "missed") in {(flag.subject, flag.kind) for flag in flagged(seed, wrong_key=wrong)}


def test_misses_that_are_all_alike_are_found():
    """Of twelve gold items one has all its misses on one label, about 13; the others have theirs on both."""
    found = [flagged(seed, alike=4) for seed in range(10)]
    assert sum((4, "same_wrong_answer") in {(f.subject, f.kind) for f in flags} for flags in found) >= 6


def test_a_confusion_that_all_gold_of_a_label_shares_accuses_none_of_it():
    """Whoever is wrong takes the next label for it: that is how the crowd errs, and says nothing of an item."""
    accused = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        truth = np.arange(12) % K
        rows = [
            (item, worker, (truth[item] + (rng.random() < 0.25)) % K, worker, worker)
            for worker in range(60)
            for item in range(12)
        ]
        found = suspicious(Answers(*np.array(rows).T), np.eye(K, dtype=bool)[truth], np.ones(60, bool))
        accused += bool([flag for flag in found if flag.kind == "same_wrong_answer"])
    assert accused <= 1


def test_sound_gold_is_seldom_flagged():
    """With nothing wrong, a bank has a flag no more often than the rate says: 5%, and some for chance."""
    banks = [len(flagged(seed)) > 0 for seed in range(40)]
    assert np.mean(banks) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 40)


def test_crowds_that_differ_from_job_to_job_are_no_leak():
    """Each job has workers of its own, who meet two gold items each; later ones are better. Only the job tells."""
    flagged_banks = {True: 0, False: 0}
    for seed in range(20):
        rng = np.random.default_rng(seed)
        truth = np.arange(12) % K
        rows, jobs = [], []
        for job in range(8):
            for worker, items in enumerate(rng.permutation(np.tile(np.arange(12), 5)).reshape(30, 2)):
                for item in items:
                    right = rng.random() < 0.55 + 0.05 * job
                    label = truth[item] if right else (truth[item] + rng.integers(1, K)) % K
                    rows.append((item, 30 * job + worker, label, len(rows), len(rows)))
                    jobs.append(job)
        answers, accepted = Answers(*np.array(rows).T), np.eye(K, dtype=bool)[truth]
        for told in (True, False):
            found = suspicious(answers, accepted, np.ones(240, bool), job=np.array(jobs) if told else None)
            flagged_banks[told] += bool(found)
    assert flagged_banks[True] <= 3
    assert flagged_banks[False] >= 10


def test_the_consensus_that_disagrees_is_a_flag():
    answers, accepted, _ = crowd(0)
    believed = np.where(accepted, 0.9, 0.05)
    believed[3] = [0.996, 0.002, 0.002] if not accepted[3, 0] else [0.002, 0.996, 0.002]
    found = suspicious(answers, accepted, np.ones(60, bool), without_gold=believed)
    assert (3, "contradicted") in {(flag.subject, flag.kind) for flag in found}


@given(st.lists(st.floats(0, 1), max_size=12), st.integers(0, 13))
def test_the_tail_is_that_of_the_binomial_where_chances_are_equal(chances, at_least):
    assert 0 <= tail(np.array(chances), at_least) <= 1
    assert tail(np.full(9, 0.3), at_least) == pytest.approx(binom.sf(at_least - 1, 9, 0.3), abs=1e-12)


def test_adjusted_p_values_are_those_of_benjamini_and_hochberg():
    np.testing.assert_allclose(adjust(np.array([0.01, 0.04, 0.03, 0.5])), [0.04, 0.16 / 3, 0.16 / 3, 0.5])


def test_a_shared_bias_raises_the_alarm_for_its_label_and_says_what_to_do():
    rng = np.random.default_rng(0)
    truth = rng.integers(K, size=90)
    answered_as = np.where((truth == 2) & (rng.random(90) < 0.7), 1, truth)
    claimed = np.full((90, K), 0.03)
    claimed[np.arange(90), answered_as] = 0.94
    found = bias(claimed, np.eye(K, dtype=bool)[truth], np.ones(90, bool))
    assert [(flag.subject, flag.kind) for flag in found] == [(2, "bias")]
    assert "takes for label value 1" in found[0].reason
    assert "guidelines" in found[0].reason


def test_honest_confidence_raises_no_alarm():
    alarms = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        truth = rng.integers(K, size=120)
        sure = rng.uniform(0.5, 0.98, size=120)
        given_label = np.where(rng.random(120) < sure, truth, (truth + 1) % K)
        claimed = np.repeat((1 - sure)[:, None] / 2, K, axis=1)
        claimed[np.arange(120), given_label] = sure
        alarms += bool(bias(claimed, np.eye(K, dtype=bool)[truth], np.ones(120, bool)))
    assert alarms <= 7


def test_signs_of_automation_are_found_on_those_who_automate():
    """Worker 0 is too fast and copies worker 1, worker 2 gives one label fifty times; the rest are honest."""
    rng = np.random.default_rng(2)
    truth = rng.integers(K, size=80)
    label = np.where(rng.random((10, 80)) < 0.75, truth, rng.integers(K, size=(10, 80)))
    label[0] = label[1]
    label[2, 20:70] = 1
    seconds = rng.lognormal(2, 0.4, size=(10, 80))
    seconds[0] = 0.4
    item, worker = np.tile(np.arange(80), 10), np.repeat(np.arange(10), 80)
    answers = Answers(item, worker, label.ravel(), np.arange(800), np.arange(800))
    found = signs(answers, truth, 10, K, seconds=seconds.ravel(), labels=["cat", "dog", "other"])
    kinds = {(sign.worker, sign.kind) for sign in found}
    assert {(0, "speed"), (0, "shared_errors"), (1, "shared_errors"), (2, "identical_run")} <= kinds
    peers = {sign.worker: sign.peer for sign in found if sign.kind == "shared_errors"}
    assert (peers[0], peers[1]) == (1, 0)
    [run] = [sign.reason for sign in found if sign.kind == "identical_run" and sign.worker == 2]
    assert "in a row were label value dog;" in run
    strong = {sign.worker for sign in found if sign.chance > 0.5}
    assert strong == {0, 1, 2}
    assert all(sign.chance < 1 for sign in found)


def test_weak_evidence_stays_weak_beside_the_base_rate():
    """One in a hundred by chance, from one in fifty: at most one in seven is automated."""
    ratio = most_ratio(0.01)
    assert ratio == pytest.approx(8.0, abs=0.05)
    assert ratio * 0.02 / (0.98 + ratio * 0.02) < 1 / 7
    assert most_ratio(0.5) == 1


def test_drift_is_found_at_its_moment():
    near = []
    for seed in range(40):
        rng, moment = np.random.default_rng(seed), 40 + seed
        worker, place = np.tile(np.arange(6), 120), np.repeat(np.arange(120), 6)
        right = rng.random(720) < np.where((worker == 4) & (place >= moment), 0.35, 0.95)
        found = drift(worker, right.astype(float), 6, "gold accuracy")
        assert found[0].worker == 4
        assert found[0].after < found[0].before
        assert "gold accuracy went from" in found[0].reason
        near.append(abs(place[found[0].row] - moment) <= 8)
    assert np.mean(near) >= 0.9


def test_steady_workers_seldom_drift():
    """2,000 workers at once: among all tested, the false discovery rate holds."""
    rng = np.random.default_rng(5)
    worker = np.repeat(np.arange(2000), 60)
    assert len(drift(worker, rng.normal(size=120_000), 2000, "log seconds")) <= 2
    assert len(mix_drift(worker, rng.integers(3, size=120_000), 2000, 3)) <= 2


def test_a_change_in_the_mix_of_labels_is_found_for_the_rare_label():
    rng = np.random.default_rng(0)
    usual, later = rng.choice(3, 300, p=[0.6, 0.35, 0.05]), rng.choice(3, 300, p=[0.6, 0.1, 0.3])
    label = np.where(np.arange(300) < 180, usual, later)
    found = mix_drift(np.zeros(300, dtype=int), label, 1, 3)
    assert {"share of label value 1", "share of label value 2"} == {one.series for one in found}
    assert all(abs(one.row - 180) < 30 for one in found)
