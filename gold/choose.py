"""Choose which gold items go into which HIT.

A gold item that stood in several HITs while other items stand in one would be known for what it is, by a worker
who meets it twice or by workers who compare notes. So each gold item goes into one HIT, and there must be as
many gold items as there are places for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from aggregation.arrays import Bools, Ints


class TooLittleGoldError(ValueError):
    """There are fewer gold items than HITs have places for."""

    def __init__(self, wanted: int, available: int) -> None:
        super().__init__(f"{wanted} gold items are needed, and {available} are available")
        self.wanted = wanted
        self.available = available


@dataclass(frozen=True, eq=False)
class GoldPlan:
    """
    Which gold goes where.

    Attributes
    ----------
    chosen : (n_bundles, gold_per_bundle) int64
        Rows of the gold that was offered; no row occurs twice.

    """

    chosen: Ints


def needed(n_items: int, bundle_items: int, gold_per_bundle: int) -> int:
    """Count the gold items that ``n_items`` ask for in bundles of ``bundle_items`` and ``gold_per_bundle`` more."""
    if n_items < 0 or bundle_items < 1 or gold_per_bundle < 0:
        raise ValueError(f"no bundles of {bundle_items} items and {gold_per_bundle} gold hold {n_items} items")
    return -(-n_items // bundle_items) * gold_per_bundle


def choose(accepted: Bools, n_bundles: int, gold_per_bundle: int, *, seed: int) -> GoldPlan:
    """
    Give each bundle its own gold, spread evenly over the label values, over all bundles and within each.

    Parameters
    ----------
    accepted : (n_gold, n_labels) bool
        Accepted labels of the gold items that no HIT has yet; the first is taken for the item's label here.
    seed : int
        The same gold and seed give the same plan.

    Raises
    ------
    TooLittleGoldError
        There is not enough gold for every place.

    """
    wanted = n_bundles * gold_per_bundle
    if wanted > accepted.shape[0]:
        raise TooLittleGoldError(wanted, accepted.shape[0])
    random = np.random.default_rng(seed)
    rows = _in_turn(accepted.argmax(axis=1), random)[:wanted]
    # Neighbours in turn differ in label, so a bundle takes neighbours; bundles are then shuffled.
    return GoldPlan(random.permutation(rows.reshape(n_bundles, gold_per_bundle)))


def _in_turn(labels: Ints, random: np.random.Generator) -> Ints:
    """Order gold so that the labels take turns: the first of each label, the second of each, and so on."""
    shuffled = random.permutation(labels.size)
    # A label's place within a round is drawn once, so that no label is always the one that a cut leaves out.
    n_labels = int(labels.max(initial=0)) + 1
    place = random.permutation(n_labels)[labels[shuffled]]
    by_label = np.argsort(place, kind="stable")
    sizes = np.bincount(place, minlength=n_labels)
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    turn = np.empty(labels.size, dtype=np.int64)
    turn[by_label] = np.arange(labels.size) - starts
    return shuffled[np.lexsort((place, turn))]
