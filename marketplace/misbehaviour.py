"""Misbehaviour on command, for tests: what a real market does on a bad day.

Rules are tried in order, and the first that applies to a call decides. A rule that is not certain draws from its own
seeded generator, so that a run can be repeated.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Kind = Literal[
    "throttle",
    "delay",
    "fault",
    "refuse",
    "drop_before",
    "drop",
    "fault_after",
    "repeat",
    "omit",
    "second_worker",
    "wrong_worker",
    "answer",
]


class Rule(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One way to misbehave.

    Attributes
    ----------
    operation
        The name of an operation of the Requester API, ``externalSubmit``, or ``*`` for all.
    kind
        ``throttle``: ThrottlingException, nothing done. ``delay``: `delay_ms` late, then as usual.
        ``fault``: ServiceFault, nothing done. ``refuse``: RequestError with `code`, nothing done.
        ``drop_before``: the connection is lost, nothing done. ``drop``: done and committed, then the connection is
        lost. ``fault_after``: done and committed, then ServiceFault.
        What follows alters the answer of a list, and only of one that has entries: see `marketplace.tampering`.
        ``repeat``: the last entry of a page comes again at the head of the next, and the first of the first page twice.
        ``omit``: the first entry of a page is left out. ``second_worker``: the first assignment comes a second time,
        with the worker `text`. ``wrong_worker``: the first has the worker `text`. ``answer``: the first has the
        Answer `text`.
    count
        How often, at most; without it, for ever.
    seconds
        For how long from the first time on, by the marketplace's clock; without it, for ever.
    skip
        How many calls go through first.
    probability, seed
        How likely it is for a call that the rule applies to.
    applied
        How often it was.
    """

    operation: str
    kind: Kind
    count: Annotated[int, Meta(ge=1)] | None = None
    seconds: Annotated[float, Meta(gt=0)] | None = None
    skip: Annotated[int, Meta(ge=0)] = 0
    probability: Annotated[float, Meta(gt=0, le=1)] = 1.0
    seed: int = 0
    delay_ms: Annotated[int, Meta(ge=0, le=600_000)] = 0
    code: str = "AWS.MechanicalTurk.InvalidAssignmentState"
    text: str = ""
    applied: int = 0


class Misbehaviour:
    """The rules in force, in this process."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self._generators: list[random.Random] = []
        self._skipped: list[int] = []
        self._since: dict[int, datetime] = {}

    def set_rules(self, rules: list[Rule]) -> None:
        """Replace the rules; none is good behaviour."""
        self.rules = [msgspec.structs.replace(rule, applied=0) for rule in rules]
        self._generators = [random.Random(rule.seed) for rule in rules]  # noqa: S311 - repeatable on purpose
        self._skipped = [0] * len(rules)
        self._since = {}

    def choose(self, operation: str, now: datetime) -> Rule | None:
        """Return the rule that this call falls under, if any, and count it."""
        for index, rule in enumerate(self.rules):
            if rule.operation not in (operation, "*") or self._is_over(index, now):
                continue
            if self._skipped[index] < rule.skip:
                self._skipped[index] += 1
                continue
            if rule.probability == 1 or self._generators[index].random() < rule.probability:
                rule.applied += 1
                self._since.setdefault(index, now)
                return rule
        return None

    def _is_over(self, index: int, now: datetime) -> bool:
        rule, since = self.rules[index], self._since.get(index)
        if rule.count is not None and rule.applied >= rule.count:
            return True
        return rule.seconds is not None and since is not None and now >= since + timedelta(seconds=rule.seconds)
