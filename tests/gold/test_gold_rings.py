"""Rings: who shares answers is found, with whom, and nobody honest among them; and it settles who is suspended."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gold import rings
from gold.evidence import Answers
from gold.rescore import rescore
from gold.rings import find
from gold.sequential import Rules
from tests.gold.facts import infer, same

K, N_ITEMS, N_GOLD = 3, 200, 30
RULES = Rules()
HONEST = (0.96, 0.96, 0.9, 0.9, 0.85, 0.85, 0.8, 0.8, 0.75, 0.75, 0.72, 0.72)


def job(seed, ring=0, *, honest=HONEST, per_worker=40, n_gold=4, loyal=0.9, first=0):
    """Answers of honest workers, and after them of a ring; ``first`` items are answered by the ring alone."""
    rng = np.random.default_rng(seed)
    truth = np.concatenate([rng.integers(K, size=N_ITEMS), np.arange(N_GOLD) % K])
    agreed = rng.integers(K, size=truth.size)
    rows = []
    for worker in range(len(honest) + ring):
        member = worker >= len(honest)
        pool = np.arange(first + 80) if member and first else np.arange(0 if member else first, N_ITEMS)
        items = np.concatenate(
            [rng.choice(pool, per_worker - n_gold, replace=False), N_ITEMS + rng.choice(N_GOLD, n_gold, replace=False)]
        )
        for item in rng.permutation(items):
            right = rng.random() < (1 / K if member else honest[worker])
            label = truth[item] if right else (truth[item] + rng.integers(1, K)) % K
            label = agreed[item] if member and rng.random() < loyal else label
            rows.append((item, worker, label, len(rows), len(rows)))
    accepted = np.zeros((truth.size, K), dtype=bool)
    accepted[np.arange(N_ITEMS, truth.size), truth[N_ITEMS:]] = True
    return Answers(*np.array(rows).T), accepted, len(honest) + ring


@pytest.mark.parametrize(("ring", "n_honest"), [(3, 12), (6, 12), (8, 8)])
def test_a_ring_is_found_whole_and_nobody_honest_in_it(ring, n_honest):
    wronged = missed = 0
    for seed in range(8):
        answers, accepted, n_workers = job(seed, ring, honest=HONEST[:n_honest])
        members = find(answers, accepted, n_workers, RULES).members
        missed += np.count_nonzero(~members[n_honest:])
        wronged += np.count_nonzero(members[:n_honest])
    assert missed <= 0.1 * 8 * ring
    assert wronged <= 1


def test_in_a_crowd_without_a_ring_none_is_found():
    clickers = (*HONEST, *[1 / K] * 8)
    for seed in range(12):
        for honest in (HONEST, clickers):
            found = find(*job(seed, honest=honest), RULES)
            assert not found.member.any()
            assert found.evidence == 0


def test_who_copies_from_a_good_worker_is_not_in_a_ring():
    """Twelve honest workers, and four who copy one of them, where they can."""
    for seed in range(6):
        answers, accepted, n_workers = job(seed, honest=(*HONEST, 0.9, 0.9, 0.9, 0.9))
        source = dict(
            zip(answers.item[answers.worker == 2].tolist(), answers.label[answers.worker == 2].tolist(), strict=True)
        )
        copied = [
            source.get(item, label) if worker >= len(HONEST) else label
            for item, worker, label in zip(
                answers.item.tolist(), answers.worker.tolist(), answers.label.tolist(), strict=True
            )
        ]
        copying = Answers(answers.item, answers.worker, np.array(copied), answers.submitted, answers.assignment)
        assert not find(copying, accepted, n_workers, RULES).member.any()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 100), st.integers(0, 6), st.randoms(use_true_random=False))
def test_rings_do_not_depend_on_the_order_of_arrival(seed, ring, random):
    answers, accepted, n_workers = job(seed, ring)
    order = np.array(random.sample(range(answers.item.size), answers.item.size))
    one, other = (find(rows, accepted, n_workers, RULES) for rows in (answers, answers.rows(order)))
    np.testing.assert_allclose(one.member, other.member, atol=1e-9)
    infers = infer(n_workers)
    same(*(rescore(rows, accepted, n_workers, RULES, infers).standing for rows in (answers, answers.rows(order))))


def test_where_matrices_would_not_fit_nothing_is_looked_for(monkeypatch):
    answers, accepted, n_workers = job(1, 6)
    assert find(answers, accepted, n_workers, RULES).members.any()
    monkeypatch.setattr(rings, "MOST_CELLS", n_workers * K * K - 1)
    assert not find(answers, accepted, n_workers, RULES).alike.any()


def test_what_others_would_make_of_an_answer_does_not_look_at_it():
    """Else the evidence would not have mean one for a good worker."""
    answers, accepted, n_workers = job(1, 6)
    ring = find(answers, accepted, n_workers, RULES)
    every = [
        Answers(answers.item, answers.worker, np.full_like(answers.label, label), answers.submitted, answers.assignment)
        for label in range(K)
    ]
    row = int(np.flatnonzero(answers.worker == n_workers - 1)[0])
    item, given = answers.item[row], answers.label[row]
    told = []
    for label, answered in enumerate(every):
        votes = ring.votes.copy()
        votes[item, given] -= ring.member[n_workers - 1]
        votes[item, label] += ring.member[n_workers - 1]
        told.append(
            type(ring)(ring.member, ring.alike, votes, ring.evidence).foretold(answered.rows(np.array([row])))[0]
        )
    assert sum(told) == pytest.approx(1)


def test_before_gold_has_said_which_party_is_the_ring_nobody_is_in_it():
    """Without any gold one of the parties is taken note of, whichever."""
    for seed in range(4):
        answers, accepted, n_workers = job(seed, 6)
        found = find(answers, np.zeros_like(accepted), n_workers, RULES)
        honest, ring = found.alike[: len(HONEST)].mean(), found.alike[len(HONEST) :].mean()
        assert not found.member.any()
        assert min(honest, ring) < 0.1
        assert max(honest, ring) > 0.8


def test_a_ring_with_luck_on_little_gold_is_not_cleared_by_it():
    """Five gold answers of the ring's, all right: their agreement speaks against them all the same."""
    for seed in range(3):
        answers, accepted, n_workers = job(seed, 8, honest=HONEST[:8], n_gold=1)
        is_gold = accepted.any(axis=1)[answers.item]
        label = np.where(is_gold & (answers.worker >= 8), accepted.argmax(axis=1)[answers.item], answers.label)
        lucky = Answers(answers.item, answers.worker, label, answers.submitted, answers.assignment)
        found = find(lucky.rows(~is_gold | (answers.worker < 13)), accepted, n_workers, RULES)
        assert not found.member.any()
        assert found.alike.tolist() == [False] * 8 + [True] * 8


def test_a_ring_that_makes_the_consensus_is_suspended_on_little_gold_and_says_with_whom():
    """Two of five items the ring has to itself, and on the others it is as many as the honest."""
    caught = wronged = 0
    for seed in range(8):
        answers, accepted, n_workers = job(seed, 8, honest=HONEST[2:10], n_gold=5, first=40)
        scoring = rescore(answers, accepted, n_workers, RULES, infer(n_workers))
        caught += np.count_nonzero(scoring.standing.suspended[8:])
        wronged += np.count_nonzero(scoring.standing.suspended[:8])
        assert set(scoring.ties) == set(np.flatnonzero(scoring.ring.members).tolist())
        for worker, tie in scoring.ties.items():
            assert worker not in tie.peers
            assert tie.usual < 0.75 * tie.met < tie.alike <= tie.met
            assert f"Shares answers with {tie.n_peers} others" in scoring.reason(worker)
    assert caught >= 0.6 * 8 * 8
    assert wronged <= 1
