"""Slice: items into HITs, with gold mixed in, and the worst case of each reserved before anything is posted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from foundation.money import FEE_SCHEDULES, format_usd
from gold.choose import choose
from service.pipeline.alarm import alarm
from service.pipeline.stage import Stage
from service.spec import Spec, read_spec
from service.store import answer_arrays, briefs, dues, effects, hits, money
from service.store.effects import Wanted
from service.store.hits import PlannedHit, Unsliced

_AT_ONCE = 10_000  # HITs in one transaction
CLIFF = 10  # a HIT that was made with fewer assignments can never reach ten


async def run(stage: Stage) -> None:
    """Plan HITs for the items that stand in none, as far as there is gold for them."""
    conn, job_no, now = stage.conn, stage.due.subject, stage.clock.now()
    brief = await briefs.load(conn, job_no)
    spec = read_spec(brief.spec)
    async with conn.transaction():
        if await briefs.lock(conn, job_no) != "running":
            await dues.finish(conn, stage.due, now=now)  # resuming wants it again
            return
        items = await hits.unsliced(conn, job_no, gold=False, limit=_AT_ONCE * spec.bundle.items)
        golds = await hits.unsliced(conn, job_no, gold=True, limit=_AT_ONCE * max(1, spec.bundle.gold))
        mask = await answer_arrays.accepted_of(conn, job_no, [g.item_no for g in golds], len(spec.task.labels))
        market = stage.service.settings.markets[brief.market]
        next_hit_no = await hits.next_number(conn, job_no)
        seed = None if spec.seed is None else spec.seed + next_hit_no
        planned = plan(spec, items, [g.item_no for g in golds], mask, fees=market.fees, seed=seed)
        if not planned:
            if items:
                message = f"{len(items)} items wait for {spec.bundle.gold} gold items a HIT: upload gold, then resume"
                await alarm(stage, job_no, "gold", message)
            await dues.finish(conn, stage.due, now=now)
            return
        promised_cents = sum(hit.slots * hit.unit_cents for hit in planned)
        if promised_cents > await money.free(conn, job_no):
            message = (
                f"the worst case of what is left is {format_usd(promised_cents)} dollars: raise the budget, then resume"
            )
            await alarm(stage, job_no, "budget", message)
            await dues.finish(conn, stage.due, now=now)
            return
        numbers = await hits.plan(conn, job_no, planned, guidelines_no=brief.guidelines_no, now=now)
        promised = [(no, hit.slots * hit.unit_cents) for no, hit in zip(numbers, planned, strict=True)]
        await money.reserve(conn, job_no, promised, now)
        await effects.write(conn, job_no, brief.job_id, [Wanted("create", number) for number in numbers], now)
        await dues.finish(conn, stage.due, now=now, then={"publish": now, "slice": now})


def plan(
    spec: Spec,
    items: Sequence[Unsliced],
    gold_item_nos: Sequence[int],
    accepted: npt.NDArray[np.bool_],
    *,
    fees: str,
    seed: int | None,
) -> list[PlannedHit]:
    """Put items into HITs, each with gold of its own at places drawn at random.

    Like items are shuffled first: in the order of their upload they may show numbers or names that follow one
    another, and gold from anywhere would stand out among neighbours.

    Parameters
    ----------
    accepted : (n_gold, n_labels) bool
        Accepted labels of the gold items, in the order of `gold_item_nos`.
    seed : int or None
        The same seed gives the same plan; None draws from the system's entropy, so that nobody can foresee it.

    Returns
    -------
    list of PlannedHit
        As many as there is gold for: no gold item stands in two.
    """
    size, n_gold = spec.bundle.items, spec.bundle.gold
    random = np.random.default_rng(seed)
    items = _shuffled_among_like(items, random)
    bundles = [items[first : first + size] for first in range(0, len(items), size)]
    if n_gold:
        bundles = bundles[: len(gold_item_nos) // n_gold]
    if not bundles:
        return []
    chosen: Any = [[] for _ in bundles]
    if n_gold:
        chosen = choose(accepted, len(bundles), n_gold, seed=int(random.integers(2**63))).chosen
    planned = []
    for bundle, gold_rows in zip(bundles, chosen, strict=True):
        item_nos = [item.item_no for item in bundle] + [gold_item_nos[row] for row in gold_rows]
        wanted, slots = assignments_of(max(i.minimum for i in bundle), max(i.maximum for i in bundle))
        fee = FEE_SCHEDULES[fees].assignment_fee(spec.reward_cents, wanted, masters=spec.masters_only)
        planned.append(PlannedHit(tuple(random.permutation(item_nos).tolist()), wanted, slots, spec.reward_cents + fee))
    return planned


def _shuffled_among_like(items: Sequence[Unsliced], random: np.random.Generator) -> list[Unsliced]:
    """Shuffle neighbours of one priority, redundancy and batch, and leave these in their order."""
    shuffled: list[Unsliced] = []
    for _, like in groupby(items, key=lambda i: (i.priority, i.maximum, i.minimum, i.batch)):
        group = list(like)
        shuffled += [group[place] for place in random.permutation(len(group))]
    return shuffled


def assignments_of(minimum: int, maximum: int) -> tuple[int, int]:
    """Return (assignments to start with, most ever): a HIT that may need ten or more is made with ten at least."""
    return (max(minimum, CLIFF) if maximum >= CLIFF else minimum, maximum)
