"""A ring is judged by what those outside it say, and each member's evidence names with whom answers are shared."""

from __future__ import annotations

import numpy as np

from service.case import Case, Earlier
from service.judging import judge
from service.spec import Trust
from tests.gold.test_gold_rings import HONEST, job


def test_members_of_a_ring_are_suspended_and_told_with_whom_they_share():
    answers, accepted, n_workers = job(2, 6, n_gold=6)
    names = {number: f"worker_{number}" for number in range(n_workers)}
    seconds = np.full(answers.item.size, np.nan)
    case = Case(answers, seconds, accepted, ("a", "b", "c"), names, n_workers, Earlier.of((), n_workers, "abc"))
    judged = judge(case, Trust(), np.full(n_workers, -1))
    for worker in range(n_workers):
        ring, policy = judged.evidence[worker]["ring"], judged.evidence[worker]["policy"]
        if worker < len(HONEST):
            assert ring is None
            assert judged.state[worker] != "suspended"
            continue
        others = {names[other] for other in range(len(HONEST), n_workers)} - {names[worker]}
        assert ring["n_others"] == 5
        assert set(ring["others"]) == others
        assert ring["usual"] < 0.7 * ring["of"] < ring["alike"]
        assert policy["reason"] == judged.reason[worker]
        assert "Shares answers with 5 others" in judged.reason[worker]
    assert judged.state[len(HONEST) :].count("suspended") >= 5
