from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gold.ask import AskPolicy, asked, base_rate, chance_bad, gold_rate, pick
from gold.bank import Accepted, GoldError, GoldFact, in_force, masks
from gold.candidates import CandidatePolicy, candidates
from gold.worth import RestPolicy, information, resting

DAY = datetime(2026, 1, 1, tzinfo=UTC)


def fact(kind, version, *labels, gold="g", cause="why"):
    accepted = tuple(Accepted(label, f"because {label}") for label in labels)
    at = DAY + timedelta(days=version)
    return GoldFact(gold=gold, kind=kind, version=version, at=at, by="someone", accepted=accepted, cause=cause)


HISTORY = [fact("import", 1, 0), fact("edit", 2, 0, 2), fact("retire", 3), fact("exclude", 4)]


@given(st.permutations(HISTORY))
def test_what_is_in_force_does_not_depend_on_the_order_of_facts(facts):
    assert in_force(facts) == in_force(HISTORY)


def test_each_moment_has_its_version():
    versions = [in_force(HISTORY, DAY + timedelta(days=day)).get("g") for day in range(5)]
    assert versions[0] is None
    assert [(one.version, one.asked, one.counts, len(one.accepted)) for one in versions[1:]] == [
        (1, True, True, 1),
        (2, True, True, 2),
        (3, False, True, 2),
        (4, False, False, 2),
    ]
    assert versions[2].reason(2) == "because 2"
    assert versions[1].reason(2) is None


def test_a_bank_is_laid_over_a_job_and_names_its_versions():
    bank = in_force([*HISTORY[:2], fact("import", 1, 1, gold="h"), fact("exclude", 2, gold="h")])
    accepted, asked, version = masks(bank, {1: "g", 2: "h"}, 4, 3)
    assert accepted.tolist() == [[False] * 3, [True, False, True], [False] * 3, [False] * 3]
    assert asked.tolist() == [False, True, False, False]
    assert version.tolist() == [0, 2, 2, 0]


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ([fact("edit", 1, 0)], "an import comes first"),
        ([fact("import", 1, 0), fact("edit", 3, 1)], "version 3 cannot follow version 1"),
        ([fact("import", 1, 0), fact("import", 2, 1)], "an import comes first and once"),
        ([fact("import", 1)], "at least one accepted"),
        ([fact("import", 1, 0, 0)], "each once"),
        ([fact("import", 1, 0), fact("retire", 2, cause="")], "say why"),
    ],
)
def test_facts_that_do_not_follow_are_refused(facts, message):
    with pytest.raises(GoldError, match=message):
        in_force(facts)


@pytest.mark.parametrize(("labels", "message"), [((3,), "none of this job's 3"), ((0, 1, 2), "nothing can be learnt")])
def test_gold_that_does_not_fit_a_job_is_refused(labels, message):
    with pytest.raises(GoldError, match=message):
        masks(in_force([fact("import", 1, *labels)]), {0: "g"}, 1, 3)


@given(st.integers(0, 2**31), st.integers(1, 60))
def test_gold_is_never_met_twice_is_capped_and_balanced(seed, n):
    accepted = np.eye(3, dtype=bool)[np.arange(30) % 3]
    exposures = np.random.default_rng(seed).integers(0, 60, size=30)
    seen = np.random.default_rng(seed + 1).random(30) < 0.3
    rows = pick(accepted, exposures, seen, np.zeros(3), AskPolicy(exposure=50), n=n, seed=seed)
    free = ~seen & (exposures < 50)
    assert rows.size == min(n, free.sum())
    assert len(set(rows.tolist())) == rows.size
    assert free[rows].all()
    used, there = np.bincount(rows % 3, minlength=3), np.bincount(np.flatnonzero(free) % 3, minlength=3)
    assert all(used[label] == there[label] for label in range(3) if used[label] < used.max() - 1)


def test_gold_is_asked_often_of_the_uncertain_and_seldom_of_the_sure():
    policy = AskPolicy()
    clean, spoiled = (base_rate(np.array(walks), np.ones(10, bool), policy) for walks in ([-5.0] * 10, [3.0] * 10))
    assert clean < 0.03 < 0.75 < spoiled
    sure, unsure, bad = gold_rate(chance_bad(np.array([-5.0, -0.7, 4.0]), 0.2), policy)
    assert sure < 0.02 < unsure < bad <= policy.most


def test_agreement_brings_gold_and_clears_nobody_who_agrees_as_in_a_ring():
    policy, unknown, alike = AskPolicy(), np.log(0.5), np.array([False, True, False, False, True])
    gold, both = np.array([unknown] * 4 + [-4.0]), np.array([-9.0, -9.0, unknown, 3.0, -9.0])
    agreeing, ringed, nothing, suspect, shown = asked(gold, both, alike, 0.1, policy)
    assert agreeing < 0.05 * nothing
    assert nothing == pytest.approx(gold_rate(0.1, policy))
    assert ringed == pytest.approx(gold_rate(0.5, policy))
    assert suspect > 0.9 * policy.most * 0.7
    assert shown < 0.1 * ringed
    with pytest.raises(ValueError, match="clears at least 1"):
        AskPolicy(clears=0.5)


def test_candidates_take_labels_in_turn_and_wait_for_a_person():
    label = np.array([0] * 5 + [1] * 2 + [0])
    confidence = np.array([0.99] * 7 + [0.6])
    answers, agreeing = np.array([6] * 4 + [9, 5, 2, 5]), np.array([6] * 4 + [8, 5, 2, 3])
    found = candidates(label, confidence, answers, agreeing, CandidatePolicy(), n=3)
    assert [(one.item, one.label) for one in found] == [(4, 0), (5, 1), (0, 0)]
    assert all("person must confirm" in one.reason for one in found)


def test_those_worth_clearly_less_rest_and_at_most_half_of_the_crowd():
    confusion = np.array([[[a, 1 - a], [1 - a, a]] for a in (0.95, 0.9, 0.9, 0.7, 0.6, 0.5)])
    assert information(confusion)[0] == pytest.approx(np.log(2) + 0.95 * np.log(0.95) + 0.05 * np.log(0.05), abs=1e-6)
    assert information(confusion)[5] == pytest.approx(0, abs=1e-12)
    counts = np.array([20, 20, 20, 20, 3, 20])
    rests = resting(confusion, counts, np.zeros(6, bool), RestPolicy())
    assert rests.tolist() == [False, False, False, True, False, True]
    assert not resting(confusion, counts, np.zeros(6, bool), RestPolicy(share=0)).any()
