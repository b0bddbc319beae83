"""Suspicious gold: contested, contradicted, leaked, or missed by many in the same way.

Each test asks how probable what was seen would be if the gold were sound, given how good the workers are who answered
it; all tests of a bank are adjusted together, so that of what is flagged about one in twenty is flagged for nothing. A
flag accuses an item, never a worker, and a person decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr
from scipy.stats import betabinom, binom, chi2

from gold.flags import Flag, select, tail

if TYPE_CHECKING:
    from aggregation.arrays import Bools, Floats, Ints
    from gold.evidence import Answers

FALSE_DISCOVERY = 0.05
# Pseudo-counts of a worker's accuracy on the other gold, and the fewest answers on which an item is tested.
RIGHT, WRONG = 4.0, 1.0
FEWEST = 5
# Misses by which each wrong label is thought to be as probable as another, before any of gold that accepts the same.
EVEN = 3.0


@dataclass(frozen=True, eq=False)
class OnGold:
    """
    Answers to gold that are tested, in the order of their time.

    Attributes
    ----------
    item, worker, label : (n,) int64
    hit : (n,) bool
    expected : (n,) float64
        Chance of a hit, from the worker's other gold.
    pace : (n,) float64
        Log seconds beside the worker's median, NaN where unknown.

    """

    item: Ints
    worker: Ints
    label: Ints
    hit: Bools
    expected: Floats
    pace: Floats


def suspicious(
    answers: Answers,
    accepted: Bools,
    good: Bools,
    *,
    seconds: Floats | None = None,
    usual: Floats | None = None,
    job: Ints | None = None,
    without_gold: Floats | None = None,
    false_discovery: float = FALSE_DISCOVERY,
    labels: Sequence[str] | None = None,
) -> list[Flag]:
    """
    Test every gold item of a job, or of a bank over the jobs that have it.

    Jobs differ in their crowds and pages. So that an item does not look leaked because a later job has better or
    quicker workers, `usual` and `job` have each answer compared with its own job.

    Parameters
    ----------
    answers : Answers
        As `Answers.in_order` gives them.
    accepted : (n_items, n_labels) bool
    good : (n_workers,) bool
        Workers whose answers count: those that are not suspended.
    seconds : (n_answers,), optional
        Active seconds of each answer, NaN where unknown.
    usual : (n_answers,), optional
        Seconds that such an answer usually takes its worker there, NaN where unknown; by default the median of what
        the worker took for gold.
    job : (n_answers,) int, optional
        Of each answer. A worker of whom little is known is then taken to be as good as others are on the other gold
        of that job.
    without_gold : (n_items, n_labels), optional
        Calibrated consensus inferred with no gold known.
    labels : sequence of str, optional
        Names of the label values, for the reasons; by default their numbers.

    """
    names = tuple(map(str, range(accepted.shape[1]))) if labels is None else tuple(labels)
    seen = _on_gold(answers, accepted, good, seconds, usual, job)
    wrong, elsewhere = _misses(seen, accepted)
    tested: list[Flag] = []
    order = np.argsort(seen.item, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(seen.item[order])) + 1):
        if rows.size < FEWEST:
            continue
        item = int(seen.item[rows[0]])
        tested.append(_missed(seen, rows, item))
        tested.append(_leaked(seen, rows, item))
        if accepted.shape[1] > 2:
            tested.append(_alike(item, wrong[item], elsewhere[item], accepted[item], names))
    found = select(tested, false_discovery)
    if without_gold is not None:
        judged = np.unique(seen.item)
        found += _contradicted(without_gold[judged], accepted[judged], judged, false_discovery)
    return found


def _on_gold(
    answers: Answers, accepted: Bools, good: Bools, seconds: Floats | None, usual: Floats | None, job: Ints | None
) -> OnGold:
    is_gold = np.asarray(accepted.any(axis=1))
    kept: Bools = is_gold[answers.item] & good[answers.worker]
    gold = answers.rows(kept)
    hit = accepted[gold.item, gold.label]
    n = np.bincount(gold.worker, minlength=good.size)
    right = np.bincount(gold.worker, hit, minlength=good.size)
    share = RIGHT / (RIGHT + WRONG) if job is None else _of_job(gold.item, hit, job[kept])
    expected = (right[gold.worker] - hit + (RIGHT + WRONG) * share) / (n[gold.worker] - 1 + RIGHT + WRONG)
    if seconds is None:
        pace = np.full(hit.size, np.nan)
    elif usual is None:
        pace = _pace(gold.worker, seconds[kept])
    else:
        pace = np.log(np.maximum(seconds[kept], 0.01)) - np.log(np.maximum(usual[kept], 0.01))
    return OnGold(gold.item, gold.worker, gold.label, hit, expected, pace)


def _of_job(item: Ints, hit: Bools, job: Ints) -> Floats:
    """Give the share of right answers to the other gold of each answer's job, (n,)."""
    _, at = np.unique(job, return_inverse=True)
    _, here = np.unique(np.column_stack((at, item)), axis=0, return_inverse=True)
    right = np.bincount(at, hit)[at] - np.bincount(here.ravel(), hit)[here.ravel()]
    n = np.bincount(at)[at] - np.bincount(here.ravel())[here.ravel()]
    share: Floats = (right + RIGHT) / (n + RIGHT + WRONG)
    return share


def _missed(seen: OnGold, rows: Ints, item: int) -> Flag:
    """Test whether good workers miss it more often than they miss other gold."""
    missed = int((~seen.hit[rows]).sum())
    chance = tail(1 - seen.expected[rows], missed)
    usual = float((1 - seen.expected[rows]).sum())
    reason = (
        f"{missed} of {rows.size} workers in good standing missed this gold; by their other gold {usual:.1f} "
        f"would have. "
        "Its accepted labels may be wrong or too few."
    )
    return Flag(subject=item, kind="missed", statistic=missed / rows.size, p_value=chance, reason=reason)


def _leaked(seen: OnGold, rows: Ints, item: int) -> Flag:
    """
    Test whether it is answered better and faster, the more workers have met it.

    Two one-sided trend tests along the order of exposure, hits against the workers' own accuracy and the ranks of their
    seconds against their usual ones, joined by Fisher's method.
    """
    place = np.arange(rows.size) - (rows.size - 1) / 2
    expected = seen.expected[rows]
    better = float(place @ (seen.hit[rows] - expected)) / max(
        float(np.sqrt(place**2 @ (expected * (1 - expected)))), 1e-9
    )
    faster = _faster(seen.pace[rows])
    chances = [1 - float(ndtr(z)) for z in (better, faster) if np.isfinite(z)]
    joined = float(chi2.sf(-2 * np.log(np.maximum(chances, 1e-300)).sum(), 2 * len(chances)))
    reason = (
        f"Over {rows.size} exposures it came to be answered {'better' if better > 0 else 'no better'} "
        f"(z = {better:.1f}) and {'faster' if faster > 0 else 'no faster'} (z = {faster:.1f}): its answer may "
        f"have got about."
    )
    return Flag(subject=item, kind="leaked", statistic=max(better, faster), p_value=joined, reason=reason)


def _faster(pace: Floats) -> float:
    """Give the z of a falling trend of pace (Kendall's tau); NaN where too little of it is known."""
    known = pace[np.isfinite(pace)]
    n = known.size
    if n < FEWEST:
        return float("nan")
    # Row by row, as all pairs at once of a gold that thousands have met would not fit in memory.
    concordant = float(sum(np.sign(known[place + 1 :] - known[place]).sum() for place in range(n)))
    return -concordant / float(np.sqrt(n * (n - 1) * (2 * n + 5) / 18))


def _pace(worker: Ints, seconds: Floats) -> Floats:
    """Give each answer's log seconds beside the median of its worker's gold, (n,); NaN where unknown."""
    pace = np.full(seconds.size, np.nan)
    known = np.flatnonzero(np.isfinite(seconds))
    order = known[np.argsort(worker[known], kind="stable")]
    for rows in np.split(order, np.flatnonzero(np.diff(worker[order])) + 1):
        log = np.log(np.maximum(seconds[rows], 0.01))
        pace[rows] = log - np.median(log) if rows.size else log
    return pace


def _misses(seen: OnGold, accepted: Bools) -> tuple[Ints, Ints]:
    """Count the wrong labels of each item, and of other items that accept the same, (n_items, n_labels) each."""
    wrong = np.zeros(accepted.shape, dtype=np.int64)
    np.add.at(wrong, (seen.item[~seen.hit], seen.label[~seen.hit]), 1)
    kinds, kind = np.unique(accepted, axis=0, return_inverse=True)
    of_kind = np.zeros(kinds.shape, dtype=np.int64)
    np.add.at(of_kind, kind.ravel(), wrong)
    return wrong, of_kind[kind.ravel()] - wrong


def _alike(item: int, wrong: Ints, elsewhere: Ints, accepted: Bools, names: tuple[str, ...]) -> Flag:
    """
    Test whether those who miss it give the same wrong label more often than those who miss gold of its label do.

    A crowd that takes dogs for cats takes all of them so. How often it does is known as well as misses of such gold
    show it: the chance is that of a beta binomial, and no less than where wrong labels are equally probable.
    """
    labels = np.flatnonzero(~accepted)
    same, n = int(wrong[labels].max()), int(wrong.sum())
    chosen = int(labels[int(wrong[labels].argmax())])
    alike = elsewhere[chosen] + EVEN
    other = elsewhere.sum() - elsewhere[chosen] + EVEN * (labels.size - 1)
    chance = 1.0
    if same:
        tails = betabinom.sf(same - 1, n, alike, other), binom.sf(same - 1, n, 1 / labels.size)
        chance = min(1.0, float(max(tails)) * labels.size)
    reason = (
        f"{same} of the {n} who missed this gold gave label value {names[chosen]}; of misses of other gold that "
        f"accepts the same, about {alike / (alike + other):.0%} are. "
        "A group may have agreed on it, or it may be right."
    )
    return Flag(subject=item, kind="same_wrong_answer", statistic=same / max(n, 1), p_value=chance, reason=reason)


def _contradicted(consensus: Floats, accepted: Bools, items: Ints, most: float) -> list[Flag]:
    """
    Flag gold whose accepted labels the consensus, calibrated and inferred without gold, gives so little or less.

    That probability is itself the chance that the flag is wrong, so it needs no adjustment for how many are looked at.
    """
    believed = np.where(accepted, consensus, 0.0).sum(axis=1)
    return [
        Flag(
            subject=int(items[at]),
            kind="contradicted",
            statistic=float(1 - believed[at]),
            p_value=float(believed[at]),
            adjusted=float(believed[at]),
            reason=f"Without gold, the consensus gives its accepted labels {believed[at]:.1%}: the crowd or the gold "
            "is wrong.",
        )
        for at in np.argsort(believed, kind="stable").tolist()
        if believed[at] <= most
    ]
