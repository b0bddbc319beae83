"""How far workers agree, beyond what chance would bring: Krippendorff's alpha, Fleiss' kappa, Gwet's AC1.

All three compare the agreement seen with that expected by chance, 1 - (1 - seen) / (1 - expected), over pairs of
answers to one item; they differ in what chance is. Items with one answer have no pair and say nothing.

- Alpha takes chance from the labels of all answers that have a pair, without replacement, and weighs disagreement by a
  distance: nominal labels all differ alike, ordinal ones by how many answers lie between.
- Kappa takes it with replacement from the mean share of each label, every item's answers weighing as much. What is seen
  is the mean over items of the share of agreeing pairs, so that items may have unequal numbers of answers (Gwet's
  generalisation; an item with one answer still has a part in the shares).
- AC1 takes chance agreement as sum_k p_k (1 - p_k) / (K - 1), which stays sensible where one label dominates.

K. Krippendorff (2011), Computing Krippendorff's alpha-reliability. J. Fleiss (1971), Measuring nominal scale agreement
among many raters, Psychological Bulletin 76. K. Gwet (2008), Computing inter-rater reliability and its variance in the
presence of high agreement, British Journal of Mathematical and Statistical Psychology 61.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from aggregation.arrays import Floats, Ints
    from aggregation.table import LabelTable

MEASURES = ("alpha", "ordinal_alpha", "kappa", "ac1")
Measure = Literal["alpha", "ordinal_alpha", "kappa", "ac1"]

_LARGEST_KEY = 1 << 62


@dataclass(frozen=True)
class Agreement:
    """
    One measure over some items.

    Attributes
    ----------
    value, low, high : float or None
        The value and its bootstrap interval over items; None where there is none.
    undefined : str or None
        Why there is no value.
    n_items : int
        Items with two answers or more, on which it rests.
    n_answers : int
        Their answers.

    """

    measure: Measure
    value: float | None
    low: float | None
    high: float | None
    undefined: str | None
    n_items: int
    n_answers: int


@dataclass(frozen=True, eq=False)
class Sums:
    """
    What every measure is a function of, summed over weighted items; the first axis is that of the weightings.

    Attributes
    ----------
    coincidence : (n, n_labels, n_labels)
        Ordered pairs of answers within items, each item's weighed by 1 / (its answers - 1).
    agreeing : (n,)
        Each item's share of agreeing pairs.
    share : (n, n_labels)
        Each item's share of each label.
    items, paired : (n,)
        Items with an answer, and with two or more.

    """

    coincidence: Floats
    agreeing: Floats
    share: Floats
    items: Floats
    paired: Floats


def agreement(
    votes: Floats, measure: Measure = "alpha", *, draws: int = 200, mass: float = 0.95, seed: int = 0
) -> Agreement:
    """
    Measure agreement and its interval by bootstrap over items.

    Parameters
    ----------
    votes : (n_items, n_labels)
        Answers of each label to each item: `LabelTable.votes`.
    draws : int
        Bootstrap samples; 0 for no interval.

    Raises
    ------
    ValueError
        The measure is unknown.

    """
    if measure not in MEASURES:
        raise ValueError(f"unknown measure {measure!r}: choose one of {', '.join(MEASURES)}")
    patterns, counts = _patterns(votes)
    paired = patterns.sum(axis=1) >= 2
    n_items, n_answers = int(counts[paired].sum()), int(patterns[paired].sum(axis=1) @ counts[paired])
    reason = _undefined(patterns, measure)
    if reason is not None:
        return Agreement(measure, None, None, None, reason, n_items, n_answers)
    value = float(_value(_sums(patterns, counts[None].astype(np.float64)), measure)[0])
    low = high = None
    if draws:
        weights = np.random.default_rng(seed).multinomial(counts.sum(), counts / counts.sum(), size=draws)
        drawn = _value(_sums(patterns, weights.astype(np.float64)), measure)
        low, high = (float(end) for end in np.nanquantile(drawn, ((1 - mass) / 2, (1 + mass) / 2)))
    return Agreement(measure, value, low, high, None, n_items, n_answers)


def by_group(
    votes: Floats, group: Ints, measure: Measure = "alpha", *, draws: int = 200, mass: float = 0.95, seed: int = 0
) -> dict[int, Agreement]:
    """Measure agreement apart for each group of items, (n_items,) int: a batch, or a window of time."""
    order = np.argsort(group, kind="stable")
    names, starts = np.unique(group[order], return_index=True)
    parts = np.split(order, starts[1:])
    return {
        int(name): agreement(votes[rows], measure, draws=draws, mass=mass, seed=seed)
        for name, rows in zip(names, parts, strict=True)
        if rows.size
    }


def by_label(votes: Floats, *, draws: int = 200, mass: float = 0.95, seed: int = 0) -> list[Agreement]:
    """Measure for each label how far workers agree on "this label, or another": alpha of the two, (n_labels,)."""
    total = votes.sum(axis=1)
    return [
        agreement(np.stack([column, total - column], axis=1), draws=draws, mass=mass, seed=seed) for column in votes.T
    ]


def specific(votes: Floats) -> list[float | None]:
    """
    Give for each label how likely another answer to the item has it too, where one has it, (n_labels,).

    The proportion of specific agreement (D. Cicchetti and A. Feinstein (1990), High agreement but low kappa: II,
    Journal of Clinical Epidemiology 43), each item's pairs weighed as alpha weighs them; None where no pair has the
    label.
    """
    patterns, counts = _patterns(votes[votes.sum(axis=1) >= 2])
    weight = counts / np.maximum(patterns.sum(axis=1) - 1, 1)
    same = weight @ (patterns * (patterns - 1))
    margin = counts @ patterns
    return [float(one / all_) if all_ else None for one, all_ in zip(same, margin, strict=True)]


def confused(votes: Floats) -> list[tuple[int, int, float, float]]:
    """
    List label pairs that answers to one item disagree by, the most frequent first.

    Returns
    -------
    list of (label, other label, share of all pairs of answers, ratio to what chance would bring)

    """
    patterns, counts = _patterns(votes)
    pairs = _sums(patterns, counts[None].astype(np.float64)).coincidence[0]
    total, margin = pairs.sum(), pairs.sum(axis=0)
    if not total:
        return []
    chance = 2 * np.outer(margin, margin) / max(total * (total - 1), 1.0)
    rows, columns = np.triu_indices(pairs.shape[0], 1)
    share = 2 * pairs[rows, columns] / total
    order = np.argsort(-share, kind="stable")
    return [
        (int(rows[at]), int(columns[at]), float(share[at]), float(share[at] / chance[rows[at], columns[at]]))
        for at in order
        if share[at] > 0
    ]


def disputed(votes: Floats, n: int = 20) -> tuple[Ints, Floats]:
    """
    Give the items whose answers disagree most, and how sure that is: the share of disagreeing pairs, shrunk.

    One pair of answers that differ says little of an item: two pairs that agree are added to each.
    """
    total = votes.sum(axis=1)
    pairs = total * (total - 1) / 2
    apart = pairs - (votes * (votes - 1) / 2).sum(axis=1)
    score = np.where(pairs > 0, apart / (pairs + 2), 0.0)
    order = np.argsort(-score, kind="stable")[:n]
    order = order[score[order] > 0]
    return order, score[order]


def votes_of(table: LabelTable, group: Ints | None = None) -> tuple[Floats, Ints | None]:
    """
    Count the answers to each item; with a group for each answer, (n_answers,), each item's groups stand apart.

    For windows of time: an item answered in two windows has a row in each, and pairs within a window alone count.
    """
    if group is None:
        return table.votes(), None
    rows, row = np.unique(np.stack([table.item, group]), axis=1, return_inverse=True)
    cells = row.ravel() * table.n_labels + table.label
    votes = np.bincount(cells, minlength=rows.shape[1] * table.n_labels).reshape(-1, table.n_labels)
    return votes.astype(np.float64), rows[1]


def _patterns(votes: Floats) -> tuple[Floats, Ints]:
    """Group items with the same counts: many items are few patterns, and a bootstrap over items one over patterns."""
    answered = votes[votes.sum(axis=1) > 0]
    if not answered.shape[0]:
        return answered, np.zeros(0, dtype=np.int64)
    whole = np.ascontiguousarray(answered, dtype=np.int32)
    base = int(whole.max()) + 1
    key: Any
    if base ** whole.shape[1] < _LARGEST_KEY:  # digits of one number sort several times as fast as rows of bytes
        key = whole @ base ** np.arange(whole.shape[1], dtype=np.int64)[::-1]
    else:
        key = whole.view(np.dtype((np.void, whole.dtype.itemsize * whole.shape[1]))).ravel()
    _, first, counts = np.unique(key, return_index=True, return_counts=True)
    return answered[first], counts


def _sums(patterns: Floats, weights: Floats) -> Sums:
    """Sum over patterns, each weighed, (n, n_patterns)."""
    n_labels = patterns.shape[1]
    total = patterns.sum(axis=1)
    scaled = patterns / np.maximum(total - 1, 1)[:, None]
    coincidence = np.empty((weights.shape[0], n_labels, n_labels))
    for first in range(n_labels):  # one label at a time: patterns x labels x labels would not fit
        coincidence[:, first] = weights @ (scaled * patterns[:, [first]])
        coincidence[:, first, first] -= weights @ scaled[:, first]
    agreeing = (patterns * (patterns - 1)).sum(axis=1) / np.maximum(total * (total - 1), 1)
    share = weights @ (patterns / np.maximum(total, 1)[:, None])
    paired = weights @ (total >= 2)
    return Sums(coincidence, weights @ agreeing, share, weights.sum(axis=1), paired)


def _value(sums: Sums, measure: Measure) -> Floats:
    """Compute a measure from sums, (n,); NaN where a sample has nothing to compute it from."""
    n_labels = sums.share.shape[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        if measure in {"alpha", "ordinal_alpha"}:
            margin = sums.coincidence.sum(axis=2)
            total = margin.sum(axis=1)
            distance = _distances(margin) if measure == "ordinal_alpha" else 1 - np.eye(n_labels)[None]
            seen = (sums.coincidence * distance).sum(axis=(1, 2))
            expected = (margin[:, :, None] * margin[:, None, :] * distance).sum(axis=(1, 2)) / (total - 1)
            alpha: Floats = 1 - seen / expected
            return alpha
        seen = sums.agreeing / sums.paired
        share = sums.share / sums.items[:, None]
        chance = (share**2).sum(axis=1) if measure == "kappa" else (share * (1 - share)).sum(axis=1) / (n_labels - 1)
        value: Floats = (seen - chance) / (1 - chance)
    return value


def _distances(margin: Floats) -> Floats:
    """Give Krippendorff's ordinal distances, (n, n_labels, n_labels): answers in between, ends half, squared."""
    middle = margin.cumsum(axis=1) - margin / 2
    squared: Floats = (middle[:, :, None] - middle[:, None, :]) ** 2
    return squared


def _undefined(patterns: Floats, measure: Measure) -> str | None:
    """Say why there is no value, or None."""
    paired = patterns.sum(axis=1) >= 2
    if not paired.any():
        return "no item has two answers or more, so nothing can agree or disagree"
    counted = patterns[paired] if measure in {"alpha", "ordinal_alpha"} else patterns
    if (counted.sum(axis=0) > 0).sum() < 2 and measure != "ac1":
        return "all answers have the same label, so chance would agree as well: the measure would be 0 / 0"
    return None
