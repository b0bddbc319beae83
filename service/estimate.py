"""What a job will cost, before it costs it: how many HITs, how much gold, and the most that can be spent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated

from msgspec import Meta, Struct

from foundation.money import FeeSchedule, format_usd
from gold.ask import AskPolicy
from gold.operating import Cost, expected_cost
from gold.sequential import Rules
from service.judging import rules_of
from service.spec import MANY_ASSIGNMENTS, Spec

WATCHED = 100  # answers of a worker, gold among them, over which the cost of watching them is told


class Alike(Struct, frozen=True):
    """So many items in a row, as slice will take them, with the same redundancy."""

    minimum: int
    maximum: int
    count: int


class WorkerCost(Struct, frozen=True):
    """What telling a worker of one accuracy from others by gold costs, over `WATCHED` answers, and what comes of it."""

    accuracy: float
    gold: Annotated[float, Meta(description="gold answers expected, until suspended")]
    gold_cents: Annotated[float, Meta(description="what they cost, fees included")]
    items: Annotated[float, Meta(description="answers to other items expected, until suspended")]
    suspended: Annotated[float, Meta(description="chance to be suspended by then, on gold alone")]


class Estimate(Struct, frozen=True, kw_only=True):
    """What is still to be posted, and what it can cost. Fees are part of every amount."""

    items: Annotated[int, Meta(description="items that stand in no HIT yet")]
    hits: Annotated[int, Meta(description="HITs that these items will make")]
    gold_needed: Annotated[int, Meta(description="gold items that these HITs will hold, each in one of them")]
    gold_there: Annotated[int, Meta(description="gold items that stand in no HIT yet")]
    gold_from_bank: Annotated[int, Meta(description="gold items that the spec has its bank give at launch")] = 0
    assignment_cents: Annotated[int, Meta(description="reward and fee of one assignment, at the least")]
    cents_per_answer: Annotated[float, Meta(description="what one answer to one item costs, at the least")]
    least_cents: Annotated[int, Meta(description="the cost, were every item settled at its minimum")]
    worst_case_cents: Annotated[int, Meta(description="the cost, were every item to need its maximum")]
    higher_fee_hits: Annotated[int, Meta(description="HITs with ten or more assignments, whose fee is higher")]
    workers: Annotated[
        list[WorkerCost],
        Meta(
            description="a good worker and a random clicker over 100 answers, by the job's rules and share of gold, on "
            "gold alone: agreement with others makes both cheaper; empty without gold"
        ),
    ]
    notes: Annotated[list[str], Meta(description="what a person should know before launching")]

    @property
    def gold_missing(self) -> int:
        """How many gold items more are needed."""
        return max(0, self.gold_needed - self.gold_there - self.gold_from_bank)


def bundles(runs: Iterable[Alike], size: int) -> Counter[tuple[int, int]]:
    """Count the HITs that items make, by the assignments they start with and may grow to.

    Parameters
    ----------
    runs : iterable of Alike
        The items in the order in which slice takes them.
    size : int
        Items in a HIT. A HIT's redundancy is the largest among its items.
    """
    hits: Counter[tuple[int, int]] = Counter()
    held = least = most = 0
    for run in runs:
        left = run.count
        if held:
            taken = min(left, size - held)
            held, left = held + taken, left - taken
            least, most = max(least, run.minimum), max(most, run.maximum)
            if held == size:
                hits[least, most] += 1
                held = 0
        if left:
            whole, held = divmod(left, size)
            least, most = run.minimum, run.maximum
            if whole:
                hits[least, most] += whole
    if held:
        hits[least, most] += 1
    return hits


def estimate(
    spec: Spec, fees: FeeSchedule, runs: Iterable[Alike], *, gold_there: int = 0, gold_from_bank: int = 0
) -> Estimate:
    """Estimate what items that stand in no HIT yet will cost.

    Parameters
    ----------
    spec : Spec
        The job's.
    fees : FeeSchedule
        The market's.
    runs : iterable of Alike
        The items in the order in which slice takes them.
    gold_there : int
        Gold items that stand in no HIT yet.
    gold_from_bank : int
        Gold items that will be there once the job is launched.
    """
    runs = list(runs)
    hits = bundles(runs, spec.bundle.items)
    n_hits = hits.total()
    reward = spec.reward_cents
    masters = spec.masters_only
    assignments = {most for _, most in hits} or {spec.redundancy.maximum}
    units = {most: reward + fees.assignment_fee(reward, most, masters=masters) for most in assignments}
    unit = min(units.values())
    higher = sum(count for (_, most), count in hits.items() if most >= MANY_ASSIGNMENTS)
    return Estimate(
        items=sum(run.count for run in runs),
        hits=n_hits,
        gold_needed=n_hits * spec.bundle.gold,
        gold_there=gold_there,
        gold_from_bank=gold_from_bank,
        assignment_cents=unit,
        cents_per_answer=unit / spec.bundle.items,
        least_cents=sum(count * _start(least, most) * units[most] for (least, most), count in hits.items()),
        worst_case_cents=sum(count * most * units[most] for (_, most), count in hits.items()),
        higher_fee_hits=higher,
        workers=worker_costs(spec, unit),
        notes=_notes(spec, fees, higher, n_hits * spec.bundle.gold - gold_there - gold_from_bank),
    )


def worker_costs(spec: Spec, unit_cents: int) -> list[WorkerCost]:
    """Return what watching a good worker and a random clicker costs, where a HIT carries gold as the spec says."""
    if not spec.bundle.gold:
        return []
    places, n_labels = spec.bundle.items + spec.bundle.gold, len(spec.task.labels)
    told = []
    for accuracy in (spec.trust.good_accuracy, 1 / n_labels):
        cost = _watching(accuracy, n_labels, spec.bundle.gold / places, rules_of(spec.trust))
        gold_cents = round(cost.cents(unit_cents / places), 2)
        told.append(
            WorkerCost(accuracy, round(cost.gold, 2), gold_cents, round(cost.items, 2), round(cost.suspended, 4))
        )
    return told


@lru_cache(maxsize=256)
def _watching(accuracy: float, n_labels: int, share: float, rules: Rules) -> Cost:
    """Compute the cost of a worker whose share of gold is the same whatever is believed of them, as bundles have it."""
    return expected_cost(accuracy, n_labels, WATCHED, rules, AskPolicy(least=share, most=share))


def _start(least: int, most: int) -> int:
    """Return the assignments a HIT is made with: one that may come to ten or more must start with ten."""
    return max(least, MANY_ASSIGNMENTS) if most >= MANY_ASSIGNMENTS else least


def _notes(spec: Spec, fees: FeeSchedule, higher: int, gold_missing: int) -> list[str]:
    notes = []
    reward = spec.reward_cents
    low, high = (
        fees.assignment_fee(reward, n, masters=spec.masters_only) for n in (MANY_ASSIGNMENTS - 1, MANY_ASSIGNMENTS)
    )
    if higher and high > low:
        notes.append(
            f"{higher} HITs may have ten or more assignments: each assignment costs {format_usd(high)} in fees instead "
            f"of {format_usd(low)}, and each HIT starts with ten."
        )
    if gold_missing > 0:
        notes.append(
            f"{gold_missing} more gold items are needed: each HIT holds {spec.bundle.gold}, each gold item in one HIT."
        )
    if not spec.bundle.gold and spec.trust.suspend:
        notes.append(
            "There is no gold: the policy watches workers by their agreement with others, and suspends nobody by it."
        )
    return notes
