"""Standing is a fold over facts: without order, without memory, without blame for gold that was wrong."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gold.bank import Accepted, GoldFact, in_force, masks
from gold.dry_run import dry_run
from gold.earlier import carry, discount, prior
from gold.evidence import Answers, of_agreement, others, soft_counts
from gold.rescore import changes, rescore
from gold.sequential import Rules
from gold.standing import STATES, judge
from gold.trust import believe
from tests.gold.facts import history, infer, same

RULES, NOW = Rules(), datetime(2026, 1, 1, tzinfo=UTC)
CROWD = [0.95, 0.9, 0.88, 0.85, 0.9, 1 / 3, 1 / 3, lambda place: 0.95 if place < 25 else 1 / 3]


def states(standing):
    return [STATES[state] for state in standing.state]


def test_good_workers_are_trusted_and_clickers_and_turncoats_suspended():
    answers, accepted, _ = history(CROWD)
    standing = rescore(answers, accepted, 8, RULES, infer(8)).standing
    assert states(standing)[5:] == ["suspended"] * 3
    assert set(states(standing)[:5]) <= {"trusted", "probation"}
    assert states(standing).count("trusted") >= 4
    assert standing.reason(5).startswith("Suspended: ")
    assert 0.2 < standing.base_rate < 0.6


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.randoms(use_true_random=False))
def test_scores_do_not_depend_on_the_order_of_arrival(seed, random):
    answers, accepted, _ = history(CROWD, seed=seed % 50)
    order = np.array(random.sample(range(answers.item.size), answers.item.size))
    same(
        rescore(answers, accepted, 8, RULES, infer(8)).standing,
        rescore(answers.rows(order), accepted, 8, RULES, infer(8)).standing,
    )


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.lists(st.integers(0, 29), min_size=1, max_size=12, unique=True))
def test_correcting_gold_equals_never_having_had_the_error(seed, wrong):
    """Gold is imported with errors, everybody is scored, it is edited, and everybody is scored again."""
    answers, accepted, truth = history(CROWD, seed=seed % 50)
    gold_of_item = {120 + number: str(number) for number in range(30)}

    def score(facts):
        mask, _, version = masks(in_force(facts), gold_of_item, *accepted.shape)
        return rescore(answers, mask, 8, RULES, infer(8)).standing, version

    def imported(number, label):
        given_labels = (Accepted(int(label) % 3, "said so"),)
        return GoldFact(gold=str(number), kind="import", version=1, at=NOW, by="someone", accepted=given_labels)

    never = [imported(number, truth[120 + number]) for number in range(30)]
    erred = [imported(number, truth[120 + number] + (number in wrong)) for number in range(30)]
    edits = [
        GoldFact(gold=str(number), kind="edit", version=2, at=NOW, by="someone", accepted=never[number].accepted)
        for number in wrong
    ]
    score(erred)
    corrected, version = score([*erred, *edits])
    same(score(never)[0], corrected)
    assert sorted(np.flatnonzero(version == 2) - 120) == sorted(wrong)


def test_suspensions_by_wrong_gold_are_lifted_and_by_excluded_gold_too():
    answers, accepted, _ = history([0.95] * 6, seed=4)
    spoiled = accepted.copy()
    spoiled[120:141] = np.roll(accepted[120:141], 1, axis=1)
    before = rescore(answers, spoiled, 6, RULES, infer(6)).standing
    assert "suspended" in states(before)
    excluded = spoiled.copy()
    excluded[120:141] = False
    for mended in (accepted, excluded):
        after = rescore(answers, mended, 6, RULES, infer(6)).standing
        assert "suspended" not in states(after)
        lifted = changes(before, after)
        assert {change.worker for change in lifted} >= set(np.flatnonzero(before.suspended).tolist())
        assert all(change.after != "suspended" for change in lifted)


def test_what_a_turncoat_gave_before_they_turned_stays():
    answers, accepted, _ = history([0.95] * 6 + [1 / 3, lambda place: 0.97 if place < 40 else 1 / 3], per_worker=110)
    standing = rescore(answers, accepted, 8, RULES, infer(8)).standing
    ordered = answers.in_order()
    assert states(standing)[6:] == ["suspended"] * 2
    assert not standing.discarded[ordered.worker < 6].any()
    clicker, turncoat = (standing.discarded[ordered.worker == worker] for worker in (6, 7))
    assert clicker.all()
    assert 34 <= int((~turncoat).sum()) <= 46
    assert turncoat[50:].all()


def test_a_dry_run_says_who_when_and_at_what_error():
    answers, accepted, _ = history(CROWD)
    told = dry_run(answers, accepted, 8, RULES, infer(8))
    assert sorted(one.worker for one in told.suspended) == [5, 6, 7]
    assert [one.submitted for one in told.suspended] == sorted(one.submitted for one in told.suspended)
    for one in told.suspended:
        assert one.answers_before + one.answers_after == 60
        assert one.gold_right < one.gold_total <= 15
    turned = next(one for one in told.suspended if one.worker == 7)
    assert turned.submitted // 1000 > 25
    error = dict(told.error)
    assert error[0.85] <= 0.01 < error[0.7] < error[0.5]
    assert told.expected_wrong == pytest.approx(0.08)


def test_evidence_of_agreement_has_mean_one_for_a_good_worker():
    """The ratio of bad to good, over what a good worker answers where the others are as sure as they say."""
    implied = np.random.default_rng(0).dirichlet([0.5, 0.3, 0.2], size=50)
    labels = np.repeat(np.arange(3), 50)
    ratio = np.exp(of_agreement(labels, np.tile(implied, (3, 1)), 0.85)).reshape(3, 50)
    given_good = 0.85 * implied.T + 0.15 / 2 * (1 - implied.T)
    np.testing.assert_allclose((ratio * given_good).sum(axis=0), 1)


def test_who_agrees_with_themselves_alone_has_shown_nothing():
    posterior, own = np.array([[0.9, 0.1]]), np.array([[0.9, 0.1]])
    np.testing.assert_allclose(others(posterior, own, np.array([0])), [[0.5, 0.5]])
    np.testing.assert_allclose(others(posterior, own, np.array([3])), [[0.5, 0.5]])


def test_agreement_counts_for_a_label_by_what_the_others_know_of_it():
    implied = np.array([[1 / 3, 1 / 3, 1 / 3], [0.98, 0.01, 0.01], [0.01, 0.98, 0.01]])
    place = np.arange(3)
    right, total = soft_counts(Answers(place, np.array([0, 1, 1]), np.array([0, 0, 0]), place, place), implied, 2)
    np.testing.assert_allclose(total[0], 0, atol=1e-12)
    assert right[1, 0] > 0.85
    assert total[1, 1] > 0.85 > 0.02 > right[1, 1]
    mean = believe(right, total).mean
    assert mean[1, 0] > 0.6 > 0.4 > mean[1, 1]


def test_answers_are_ordered_by_time_and_the_last_of_a_worker_counts():
    answers = Answers(*np.array([[0, 0, 1, 9, 2], [0, 0, 0, 5, 1], [1, 0, 1, 5, 0], [2, 1, 0, 3, 9]]).T)
    kept = answers.in_order()
    assert kept.item.tolist() == [2, 1, 0]
    assert kept.label.tolist() == [0, 1, 1]


def test_earlier_jobs_lean_and_do_not_suspend():
    answers, accepted, _ = history([0.9, 0.9, 0.9], per_worker=8)
    implied = np.full((answers.item.size, 3), 1 / 3)
    plain, leaning = (
        judge(answers, accepted, implied, 3, RULES, earlier=earlier) for earlier in (None, np.array([3.0, 0, -3]))
    )
    np.testing.assert_array_equal(plain.suspended, leaning.suspended)
    assert leaning.chance_bad[0] > plain.chance_bad[0]
    assert carry([100.0], discount([0], [True])) == 3.0
    assert discount([90.0, 90.0], [True, False]).tolist() == [0.5, 0.125]
    assert prior([8], [10], [0.5]) == (5.0, 2.0)
    assert sum(prior([800], [1000], [1.0])) == 22
