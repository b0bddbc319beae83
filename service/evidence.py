"""The numbers behind what is believed of workers, in types that JSON can carry."""

from __future__ import annotations

from typing import Any

import numpy as np

from gold.automation import signs
from gold.rescore import Scoring
from gold.score import GoldScore
from gold.sequential import HEAD
from gold.trust import Trust as Believed
from gold.worth import information
from service.case import Case, Floats

_LEAST_WEIGHT = 0.5  # of what is known of a worker on a label, before it is said
_INTERVAL = 0.9


def evidence(
    case: Case,
    scoring: Scoring,
    counted: GoldScore,
    agreement: tuple[Floats, Floats],
    state: list[str],
    reason: list[str],
) -> tuple[dict[str, Any], ...]:
    """Put the numbers behind each worker's standing into JSON's types, rounded to what they tell.

    Parameters
    ----------
    agreement : (floats, floats)
        What `gold.evidence.soft_counts` gives, (n_workers, n_labels) each: agreed, and of how much.
    state, reason : list of str
        What the policy has each worker be, and why.
    """
    standing, (agreed, met) = scoring.standing, agreement
    past_right, past_total = case.past.by_label
    right = past_right + agreed + counted.right_by_label
    total = past_total + met + counted.total_by_label
    overall = Believed(
        case.past.alpha + agreed.sum(axis=1) + counted.right,
        case.past.beta + (met - agreed).sum(axis=1) + (counted.total - counted.right),
    )
    by_label = Believed(1 + right, 1 + total - right)
    columns = {
        "chance_bad": _rounded(standing.chance_bad),
        "log_ratio": _rounded(standing.both.now - np.log(HEAD)),
        "gold_log_ratio": _rounded(standing.gold.now - np.log(HEAD)),
        "accuracy": _distributions(overall),
        "agreed": _rounded(agreed.sum(axis=1)),
        "met": _rounded(met.sum(axis=1)),
        "earlier": _rounded(case.past.log_odds),
        "told": _rounded(information(scoring.consensus.confusion)),
        "void": np.bincount(scoring.answers.worker[scoring.outside], minlength=standing.state.size).tolist(),
    }
    base_rate = round(standing.base_rate, 3)
    per_label: list[list[dict[str, Any]]] = [[] for _ in state]
    workers, values = np.nonzero(total >= _LEAST_WEIGHT)
    told = _distributions(Believed(by_label.alpha[workers, values], by_label.beta[workers, values]))
    figures = (total, past_total, counted.right_by_label, counted.total_by_label)
    columns_by_label = [_rounded(figure[workers, values]) for figure in figures]
    for worker, value, one, weight, earlier, hit, asked in zip(
        workers.tolist(), values.tolist(), told, *columns_by_label, strict=True
    ):
        gold = {"right": hit, "total": asked}
        per_label[worker].append(
            {"label": case.labels[value], **one, "weight": weight, "gold": gold, "earlier": earlier}
        )
    automation, ring = _automation(case, scoring), _ring(case, scoring)
    return tuple(
        {
            "policy": {"state": state[worker], "reason": reason[worker]},
            "chance_bad": columns["chance_bad"][worker],
            "base_rate": base_rate,
            "log_ratio": columns["log_ratio"][worker],
            "gold_log_ratio": columns["gold_log_ratio"][worker],
            "gold": {"right": right_gold, "total": total_gold},
            "agreement": {"agreed": columns["agreed"][worker], "of": columns["met"][worker]},
            "accuracy": columns["accuracy"][worker],
            "labels": per_label[worker],
            "earlier_log_odds": columns["earlier"][worker],
            "nats_an_answer": columns["told"][worker],
            "without_weight": columns["void"][worker],
            "automation": automation.get(worker, []),
            "ring": ring.get(worker),
        }
        for worker, (right_gold, total_gold) in enumerate(
            zip(counted.right.tolist(), counted.total.tolist(), strict=True)
        )
    )


def _automation(case: Case, scoring: Scoring) -> dict[int, list[dict[str, Any]]]:
    """Return the signs that a worker automates, by worker: for a person to judge, they suspend nobody."""
    ordered, posterior = scoring.answers, scoring.consensus.posterior
    counted = np.bincount(ordered.item[~scoring.outside], minlength=posterior.shape[0])
    believed = np.where(counted > 0, posterior.argmax(axis=1), -1)
    found: dict[int, list[dict[str, Any]]] = {}
    seconds = case.seconds[ordered.assignment]
    n_labels = posterior.shape[1]
    for sign in signs(ordered, believed, case.n_workers, n_labels, seconds=seconds, labels=case.labels):
        told: dict[str, Any] = {"kind": sign.kind, "reason": sign.reason}
        for name in ("chance", "p_value", "likelihood_ratio"):
            told[name] = float(f"{getattr(sign, name):.3g}")
        if sign.peer >= 0:
            told["peer"] = case.worker_ids[sign.peer]
        found.setdefault(sign.worker, []).append(told)
    return found


def _ring(case: Case, scoring: Scoring) -> dict[int, dict[str, Any]]:
    """Return what each member of a ring shares, by worker, and with whom the most."""
    return {
        worker: {
            "chance": round(tie.chance, 4),
            "alike": tie.alike,
            "of": tie.met,
            "usual": round(tie.usual, 1),
            "n_others": tie.n_peers,
            "others": [case.worker_ids[peer] for peer in tie.peers],
        }
        for worker, tie in scoring.ties.items()
    }


def _distributions(believed: Believed) -> list[dict[str, float]]:
    low, high = believed.interval(_INTERVAL)
    rows = zip(_rounded(believed.mean), _rounded(low), _rounded(high), strict=True)
    return [{"mean": mean, "low": least, "high": most} for mean, least, most in rows]


def _rounded(values: Floats) -> list[float]:
    found: list[float] = np.round(values, 4).tolist()
    return found
