"""What a job will cost, before it costs it: how many HITs, how much gold, and the most that can be spent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta, Struct

from foundation.money import FeeSchedule, format_usd
from service.spec import MANY_ASSIGNMENTS, Spec


class Alike(Struct, frozen=True):
    """So many items in a row, as slice will take them, with the same redundancy."""

    minimum: int
    maximum: int
    count: int


class Estimate(Struct, frozen=True, kw_only=True):
    """What is still to be posted, and what it can cost. Fees are part of every amount."""

    items: Annotated[int, Meta(description="items that stand in no HIT yet")]
    hits: Annotated[int, Meta(description="HITs that these items will make")]
    gold_needed: Annotated[int, Meta(description="gold items that these HITs will hold, each in one of them")]
    gold_there: Annotated[int, Meta(description="gold items that stand in no HIT yet")]
    assignment_cents: Annotated[int, Meta(description="reward and fee of one assignment, at the least")]
    cents_per_answer: Annotated[float, Meta(description="what one answer to one item costs, at the least")]
    least_cents: Annotated[int, Meta(description="the cost, were every item settled at its minimum")]
    worst_case_cents: Annotated[int, Meta(description="the cost, were every item to need its maximum")]
    higher_fee_hits: Annotated[int, Meta(description="HITs with ten or more assignments, whose fee is higher")]
    notes: Annotated[list[str], Meta(description="what a person should know before launching")]

    @property
    def gold_missing(self) -> int:
        """How many gold items more are needed."""
        return max(0, self.gold_needed - self.gold_there)


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


def estimate(spec: Spec, fees: FeeSchedule, runs: Iterable[Alike], *, gold_there: int = 0) -> Estimate:
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
        assignment_cents=unit,
        cents_per_answer=unit / spec.bundle.items,
        least_cents=sum(count * _start(least, most) * units[most] for (least, most), count in hits.items()),
        worst_case_cents=sum(count * most * units[most] for (_, most), count in hits.items()),
        higher_fee_hits=higher,
        notes=_notes(spec, fees, higher, n_hits * spec.bundle.gold - gold_there),
    )


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
    return notes
