"""The gates that are compared."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from aggregation.arrays import Bools
from aggregation.result import Result
from benchmarks.gate.job import View, fitted
from gold.ask import AskPolicy, asked, base_rate
from gold.evidence import Answers
from gold.rescore import Consensus, Infer, Scoring, rescore
from gold.sequential import HEAD, Rules, enough, gold_ratios
from gold.standing import WATCHED
from gold.worth import RestPolicy, resting


@dataclass
class NoGate:
    """No gold, and everybody may go on."""

    name: str = "none"

    def gold_for(self, worker: int, bundle: int, rng: np.random.Generator) -> int:
        del worker, bundle, rng
        return 0

    def met_gold(self, worker: int, n_accepted: int, *, right: bool) -> bool:
        raise AssertionError("nobody is asked for gold")

    def suspended(self, view: View) -> Bools:
        return np.zeros(view.n_workers, dtype=bool)

    def outside(self, view: View) -> Bools:
        return np.zeros(view.answers.item.size, dtype=bool)

    def resting(self, view: View) -> Bools:
        return np.zeros(view.n_workers, dtype=bool)


@dataclass
class LastGolds:
    """Suspend below ``share`` of the last ten golds, from ``after`` golds on; five golds first, then one in ten."""

    name: str
    share: float
    after: int
    first: int = 5
    rate: float = 0.1
    met: dict[int, list[bool]] = field(default_factory=dict)
    out: set[int] = field(default_factory=set)

    def gold_for(self, worker: int, bundle: int, rng: np.random.Generator) -> int:
        asked = len(self.met.get(worker, ()))
        if asked < self.first:
            return min(self.first - asked, 2)
        return int(bundle * self.rate / (1 - self.rate) + rng.random())

    def met_gold(self, worker: int, n_accepted: int, *, right: bool) -> bool:
        del n_accepted
        past = self.met.setdefault(worker, [])
        past.append(right)
        if len(past) >= self.after and np.mean(past[-10:]) < self.share:
            self.out.add(worker)
        return worker in self.out

    def suspended(self, view: View) -> Bools:
        mask = np.zeros(view.n_workers, dtype=bool)
        mask[list(self.out)] = True
        return mask

    def outside(self, view: View) -> Bools:
        return self.suspended(view)[view.answers.worker]

    def resting(self, view: View) -> Bools:
        return np.zeros(view.n_workers, dtype=bool)


@dataclass
class Assay:
    """The policy of `gold`. Gold moves the walks at once; before each run of the consensus everybody is scored anew."""

    n_labels: int
    name: str = "assay"
    rules: Rules = field(default_factory=Rules)
    policy: AskPolicy = field(default_factory=AskPolicy)
    rest: RestPolicy = field(default_factory=RestPolicy)
    scoring: Scoring | None = None
    gold: dict[int, float] = field(default_factory=dict)
    both: dict[int, float] = field(default_factory=dict)

    def gold_for(self, worker: int, bundle: int, rng: np.random.Generator) -> int:
        gold, both = (np.array(walks.get(worker, np.log(HEAD))) for walks in (self.gold, self.both))
        base = base_rate(np.array(list(self.both.values())), np.ones(len(self.both), dtype=bool), self.policy)
        alike = np.array(self.scoring is not None and self.scoring.ring.alike[worker])
        rate = float(asked(gold, both, alike, base, self.policy))
        return int(bundle * rate / (1 - rate) + rng.random())

    def met_gold(self, worker: int, n_accepted: int, *, right: bool) -> bool:
        ratio = gold_ratios(self.n_labels, self.rules.good_accuracy, n_accepted)[0 if right else 1]
        for walks, horizon in ((self.gold, self.rules.gold_horizon), (self.both, self.rules.horizon)):
            before = walks.get(worker, np.log(HEAD))
            walks[worker] = float(np.logaddexp(before, -np.log(2 * horizon)) + ratio)
        return enough(self.gold[worker], self.both[worker], self.rules)

    def suspended(self, view: View) -> Bools:
        infer = consensus_of(view.n_workers)
        self.scoring = rescore(view.answers, view.accepted, view.n_workers, self.rules, infer, policy=self.policy)
        standing = self.scoring.standing
        known = np.unique(view.answers.worker).tolist()
        self.gold = dict(zip(known, standing.gold.now[known].tolist(), strict=True))
        self.both = dict(zip(known, standing.both.now[known].tolist(), strict=True))
        return standing.suspended

    def outside(self, view: View) -> Bools:
        del view
        assert self.scoring is not None
        return self.scoring.outside

    def resting(self, view: View) -> Bools:
        assert self.scoring is not None
        assert view.result is not None
        assert view.result.confusion is not None
        answers = np.bincount(view.answers.worker, minlength=view.n_workers)
        standing = self.scoring.standing
        undecided = standing.state == WATCHED
        return resting(view.result.confusion, answers, standing.suspended, self.rest) & ~undecided


def consensus_of(n_workers: int) -> Infer:
    """Run the consensus that agreement is measured by as the service does: all answers so far, the first run cold."""
    first: Result | None = None

    def infer(answers: Answers, accepted: Bools) -> Consensus:
        nonlocal first
        result = fitted(answers, accepted, n_workers, start=first, max_iter=25)[0]
        first = first or result
        assert result.confusion is not None
        return Consensus(result.posterior, result.confusion)

    return infer
