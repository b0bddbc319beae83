"""The sequential test: its error rates and its lengths, computed and simulated."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gold import operating
from gold.ask import AskPolicy, chance_bad, gold_rate
from gold.evidence import of_agreement
from gold.operating import characteristic, expected_cost
from gold.sequential import HEAD, Rules, enough, gold_ratios, suspended_at, walk

RULES = Rules()


def simulated(accuracy, n_labels, n_gold, n_workers=4000, seed=0):
    """Walk workers through gold; returns how many each took to be suspended, n_gold + 1 for never."""
    rng = np.random.default_rng(seed)
    right, wrong = gold_ratios(n_labels, RULES.good_accuracy)
    chance = accuracy if callable(accuracy) else lambda _: accuracy
    log, taken = np.full(n_workers, np.log(HEAD)), np.full(n_workers, n_gold + 1)
    for step in range(1, n_gold + 1):
        ratio = np.where(rng.random(n_workers) < chance(step), right, wrong)
        log = np.logaddexp(log, -np.log(2 * RULES.gold_horizon)) + ratio
        taken[enough(log, np.full(n_workers, -np.inf), RULES) & (taken > n_gold)] = step
    return taken


# A fixed-length test with the same errors needs these many gold answers.
@pytest.mark.parametrize(("n_labels", "fixed"), [(2, 28), (3, 13), (4, 9), (5, 9)])
def test_random_clickers_are_suspended_sooner_than_by_a_test_of_fixed_length(n_labels, fixed):
    low = characteristic(1 / n_labels, n_labels, RULES, 200)
    high = characteristic(1 / n_labels, n_labels, RULES, 200, round_up=True)
    assert high.mean_gold <= low.mean_gold < 0.8 * fixed
    assert low.suspended[50] > 0.95
    taken = simulated(1 / n_labels, n_labels, 200)
    assert taken.clip(max=200).mean() == pytest.approx(low.mean_gold, rel=0.05)


@pytest.mark.parametrize("n_labels", [2, 3, 4, 5])
def test_few_good_workers_are_suspended_over_the_horizon(n_labels):
    bound = characteristic(0.85, n_labels, RULES, RULES.gold_horizon, round_up=True).suspended[-1]
    assert 0 < bound <= RULES.wrongly_suspended * RULES.on_gold
    assert (simulated(0.85, n_labels, RULES.gold_horizon, 20_000) <= RULES.gold_horizon).mean() <= 1.3 * bound + 0.001


@pytest.mark.parametrize("accuracy", [0.6, 0.7, 0.75])
def test_the_computed_characteristic_is_that_of_simulated_workers(accuracy):
    low, high = (characteristic(accuracy, 3, RULES, 60, round_up=up).suspended[60] for up in (False, True))
    assert low <= high < low + 0.02
    seen = (simulated(accuracy, 3, 60) <= 60).mean()
    assert low - 0.03 < seen < high + 0.03


@pytest.mark.parametrize("accuracy", [0.5, 0.75, 0.9, 0.99])
@pytest.mark.parametrize("good", [0.6, 0.85])
def test_what_is_foreseen_of_a_long_horizon_is_what_comes_of_it_answer_by_answer(monkeypatch, accuracy, good):
    rules = Rules(good_accuracy=good, gold_horizon=2000)
    foreseen = characteristic(accuracy, 2, rules, 2000)
    monkeypatch.setattr(operating, "LONG", 10_000)  # never taken for steady
    stepped = characteristic(accuracy, 2, rules, 2000)
    assert foreseen.suspended == pytest.approx(stepped.suspended, rel=1e-6, abs=1e-11)
    assert foreseen.mean_gold == pytest.approx(stepped.mean_gold, rel=1e-6)


@given(st.floats(0.3, 0.9), st.floats(0.01, 0.1), st.integers(2, 5))
def test_better_workers_are_suspended_less(accuracy, more, n_labels):
    worse, better = (characteristic(a, n_labels, RULES, 30).suspended for a in (accuracy, min(accuracy + more, 1.0)))
    assert (better <= worse + 1e-12).all()
    assert (np.diff(worse) >= -1e-12).all()


def test_a_turncoat_is_not_protected_by_a_long_past():
    """Forty right answers, then clicking: as long a past as one likes costs at most some more gold."""
    short, long = (
        simulated(lambda step, turn=turn: 0.97 if step <= turn else 1 / 3, 3, turn + 60) - turn for turn in (20, 120)
    )
    assert (long <= 60).mean() > 0.95
    assert np.median(long) <= 20
    assert abs(np.median(long) - np.median(short)) <= 2


def test_agreement_alone_suspends_nobody():
    assert not enough(np.log(HEAD), 50.0, RULES)
    assert enough(np.log(RULES.corroboration) + 1e-9, 50.0, RULES)
    assert enough(np.log(RULES.gold_height), -50.0, RULES)


def with_agreement(accuracy, n_labels, n_workers, steps=500, seed=0, consensus=None):
    """Walk workers through answers of which a tenth is gold; returns suspended rows (-1 for none) and golds until then.

    The others' consensus is calibrated: the true label is drawn from what they imply; or it is what ``consensus`` says.
    """
    rng = np.random.default_rng(seed)
    worker = np.tile(np.arange(n_workers), steps)
    implied = rng.dirichlet(np.full(n_labels, 0.3), size=worker.size)
    truth = (rng.random((worker.size, 1)) > implied.cumsum(axis=1)).sum(axis=1).clip(max=n_labels - 1)
    wrong = (truth + rng.integers(1, n_labels, size=worker.size)) % n_labels
    label = np.where(rng.random(worker.size) < accuracy, truth, wrong)
    implied = implied if consensus is None else consensus(implied)
    is_gold = rng.random(worker.size) < 0.1
    right, wrong = gold_ratios(n_labels, RULES.good_accuracy)
    ratio = np.where(label == truth, right, wrong)
    ratio[~is_gold] = of_agreement(label[~is_gold], implied[~is_gold], RULES.good_accuracy)
    gold = walk(worker, ratio, n_workers, horizon=RULES.gold_horizon, counts=is_gold)
    by = suspended_at(gold, walk(worker, ratio, n_workers, horizon=RULES.horizon), worker, RULES)
    before = is_gold & (np.arange(worker.size) <= by[worker])
    return by, np.bincount(worker[before], minlength=n_workers)


@pytest.mark.parametrize("n_labels", [2, 4])
def test_with_agreement_few_good_workers_are_suspended_and_clickers_sooner(n_labels):
    by, _ = with_agreement(0.85, n_labels, 1500)
    assert (by >= 0).mean() <= RULES.wrongly_suspended
    by, golds = with_agreement(1 / n_labels, n_labels, 300)
    assert (by >= 0).mean() > 0.99
    assert golds[by >= 0].mean() < 0.75 * characteristic(1 / n_labels, n_labels, RULES, 200).mean_gold


def test_a_consensus_that_is_wholly_wrong_cannot_suspend_more_than_gold_lets_it():
    by, _ = with_agreement(0.85, 3, 1500, consensus=lambda implied: np.roll(implied, 1, axis=1))
    assert (by >= 0).mean() <= 1 / RULES.corroboration


def test_gold_that_accepts_nearly_everything_tells_nothing():
    right, wrong = gold_ratios(3, 0.85, np.array([1, 2, 3]))
    assert right[0] < right[1] < 0 < wrong[1] < wrong[0]
    assert right[2] == wrong[2] == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-2, 2), st.booleans()), max_size=40))
def test_a_walk_is_that_of_each_worker_apart(rows):
    worker, ratio, counts = (np.array(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    worker, ratio, counts = np.asarray(worker, int), np.asarray(ratio, float), np.asarray(counts, bool)
    found = walk(worker, ratio, 4, horizon=10, counts=counts)
    heights = np.full(4, HEAD)
    for at in range(worker.size):
        if counts[at]:
            heights[worker[at]] = (heights[worker[at]] + 1 / 20) * np.exp(ratio[at])
        assert found.path[at] == pytest.approx(np.log(heights[worker[at]]))
    np.testing.assert_allclose(found.now, np.log(heights))


def test_the_stated_cost_of_a_worker_is_what_is_asked():
    """Ask simulated workers by the policy, gold alone telling: the mean is the computed one."""
    policy, rng, n_workers = AskPolicy(), np.random.default_rng(1), 3000
    for accuracy in (0.9, 1 / 3):
        stated = expected_cost(accuracy, 3, 100, RULES, policy)
        right, wrong = gold_ratios(3, RULES.good_accuracy)
        log, gold, out = np.full(n_workers, np.log(HEAD)), np.zeros(n_workers), np.zeros(n_workers, dtype=bool)
        for _ in range(100):
            asked = ~out & (rng.random(n_workers) < gold_rate(chance_bad(log, policy.base_rate), policy))
            ratio = np.where(rng.random(n_workers) < accuracy, right, wrong)
            log = np.where(asked, np.logaddexp(log, -np.log(2 * RULES.gold_horizon)) + ratio, log)
            gold += asked
            out |= enough(log, np.full(n_workers, -np.inf), RULES)
        assert gold.mean() == pytest.approx(stated.gold, rel=0.05)
        assert out.mean() == pytest.approx(stated.suspended, abs=0.03)
        assert stated.cents(5) == 5 * stated.gold


@pytest.mark.parametrize("wrong", [{"good_accuracy": 1.0}, {"wrongly_suspended": 0}, {"corroboration": 0.5}])
def test_rules_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match=r"is a share|horizons count"):
        Rules(**wrong)
