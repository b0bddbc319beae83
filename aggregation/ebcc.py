"""Bayesian combination with subtypes of labels, from several starts that are averaged by their evidence.

Y. Li, B. Rubinstein, T. Cohn (2019), Exploiting worker correlation for label aggregation in crowdsourcing, ICML.
Beyond the paper, rows of confusion are pooled towards each worker's accuracy (`bayes.Pooled`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from aggregation.ascent import last
from aggregation.bayes import Pooled
from aggregation.blocks import Blocks
from aggregation.climbing import check_limits, is_exchange, renaming, warn_unless_converged
from aggregation.earlier import posterior_from
from aggregation.fingerprint import fingerprints, uniforms
from aggregation.majority import shares
from aggregation.prior import Prior
from aggregation.result import Result, most_probable
from aggregation.rows import Matrices, mean, most_cells
from aggregation.threads import Threads, cores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aggregation.arrays import Floats, Ints
    from aggregation.fingerprint import Hashes
    from aggregation.fit import Fit
    from aggregation.gold import Clamp
    from aggregation.table import LabelTable

# How fast a start loses weight as its bound, in nats per answer, falls behind the best: by e for each thousandth.
EVIDENCE = 1000.0
# Subtypes by default, and confusion cells above which there are none, in all and for each answer: a model of more is
# slow, and has more cells than evidence. Twelve recorded sets have 0.03 to 13 for each answer.
SUBTYPES, MOST_CELLS, MOST_PER_ANSWER = 2, 20_000_000, 25
# A climb of less weight has no say in whether the average converged.
TOLD = 0.01
# Of the starts at which gold alone speaks: little gold says the same in every split.
FROM_GOLD = 2


class Climbed(NamedTuple):
    """
    Where a climb ended.

    Attributes
    ----------
    result : Result
        Without its confusion.
    matrices : Matrices
        What is.
    order : (n_labels,) int, or None
        How labels of the result were renamed, which those of the matrices were not.
    foreseen : (n_answers,) float64, or None
        Each answer's probability by all the others, where that was asked for.

    """

    result: Result
    matrices: Matrices
    order: Ints | None
    foreseen: Floats | None


def split(posterior: Floats, hashes: Hashes, subtypes: int, *seeds: int) -> Floats:
    """Split each label's probability at random over its subtypes, (n_items, n_labels * subtypes)."""
    n_items, n_labels = posterior.shape
    states = range(n_labels * subtypes)
    drawn = np.stack([-np.log(uniforms(hashes, *seeds, state)) for state in states], axis=1)
    drawn = drawn.reshape(n_items, n_labels, subtypes)
    drawn /= drawn.sum(axis=2, keepdims=True)
    return np.ascontiguousarray((posterior[:, :, None] * drawn).reshape(n_items, len(states)))


def climb_from_splits(
    table: LabelTable,
    clamp: Clamp,
    prior: Prior,
    *,
    subtypes: int,
    restarts: int,
    start: Result | None = None,
    seed: int = 0,
    max_iter: int,
    tol: float,
    foresee: bool = False,
    threads: int | None = None,
) -> list[Climbed]:
    """
    Climb from ``restarts`` random splits of majority vote, or of what ``start`` says.

    Where there is gold, climb also from what gold alone says, in as many splits up to two. With one subtype there is
    nothing to split, and one start.

    Parameters
    ----------
    foresee : bool
        Whether to say also how well each climb foresees each answer; see `cavity`.

    """
    posterior = shares(table, clamp)[0] if start is None else posterior_from(start, table, clamp)
    hashes, _ = fingerprints(table)
    draws = range(restarts if subtypes > 1 else 1)
    begins = [(draw, False) for draw in draws]
    if clamp.known.any():
        begins += [(draw, True) for draw in draws[:FROM_GOLD]]

    def climb(begin: tuple[int, bool], blocks: Blocks) -> Climbed:
        draw, gold_only = begin
        fit = Pooled(table, clamp, blocks, prior, subtypes=subtypes)
        fit.begin(split(posterior, hashes, subtypes, seed, draw), gold_only=gold_only)
        result = fit.climb_in_strides(max_iter, tol)
        order = exchanged(fit)
        return Climbed(renamed(result, order), fit.matrices(), order, fit.foreseen() if foresee else None)

    with Blocks(table, most_cells(table) * subtypes, threads=threads) as blocks:
        if len(blocks) > 1:  # each climb keeps all cores busy
            return [climb(begin, blocks) for begin in begins]
        with Threads(min(len(begins), threads or cores())) as crew:
            return crew.map(lambda begin: climb(begin, blocks), begins)


def average(results: Sequence[Result], weights: Floats, method: str) -> Result:
    """Average results by weights that sum to 1; bound and iterations are those of the heaviest."""
    best = results[int(weights.argmax())]
    posterior = _mean(weights, [result.posterior for result in results])
    prevalence = _mean(weights, [result.prevalence for result in results])
    confusion = [result.confusion for result in results if result.confusion is not None]
    heavy = [result for result, weight in zip(results, weights, strict=True) if weight > TOLD]
    return Result(
        posterior=posterior / posterior.sum(axis=1, keepdims=True),
        labels=most_probable(posterior, prevalence),
        confusion=_mean(weights, confusion) if confusion else None,
        prevalence=prevalence,
        objective=best.objective,
        n_iter=best.n_iter,
        converged=all(result.converged for result in heavy),
        method=method,
        params={"ended": last(result.params["ended"] for result in heavy)},
    )


def _mean(weights: Floats, arrays: Sequence[Floats]) -> Floats:
    total = np.zeros_like(arrays[0])
    for weight, array in zip(weights, arrays, strict=True):
        total += weight * array
    return total


def evidence_weights(results: Sequence[Result], n_answers: int) -> Floats:
    """Weigh climbs of one model by their bounds, (n,), summing to 1."""
    bounds = np.array([result.objective[-1] for result in results])
    weights: Floats = np.exp((bounds - bounds.max()) * EVIDENCE / max(n_answers, 1))
    weights /= weights.sum()
    return weights


def exchanged(fit: Fit) -> Ints | None:
    """Find the order of labels in which a fit exchanged them, if it did; without gold only the answers name them."""
    if fit.clamp.known.any():
        return None
    order = renaming(fit.agreement())
    return order if is_exchange(order) else None


def renamed(result: Result, order: Ints | None) -> Result:
    """Rename the labels of a result without confusion."""
    if order is None:
        return result
    return replace(result, posterior=result.posterior[:, order], prevalence=result.prevalence[order])


def averaged(climbs: Sequence[Climbed], weights: Floats, method: str) -> Result:
    """Average climbs by weights that sum to 1, with their confusion."""
    result = average([climbed.result for climbed in climbs], weights, method)
    parts = list(zip(weights.tolist(), climbs, strict=True))
    alike = [(weight, climbed.matrices) for weight, climbed in parts if climbed.order is None]
    confusion = mean([one for _, one in alike], [weight for weight, _ in alike]).of_all_rows() if alike else None
    for weight, climbed in parts:
        if climbed.order is not None:
            own = weight * climbed.matrices.of_all_rows()[:, climbed.order]
            confusion = own if confusion is None else confusion + own
    return replace(result, confusion=confusion)


def ebcc(
    table: LabelTable,
    clamp: Clamp,
    *,
    subtypes: int | None = None,
    restarts: int = 8,
    seed: int = 0,
    prior: Prior | None = None,
    start: Result | None = None,
    max_iter: int = 300,
    tol: float = 1e-4,
    threads: int | None = None,
) -> Result:
    """
    Combine with correlated workers.

    Parameters
    ----------
    subtypes : int, optional
        Into how many subtypes each label is split: by default two, or one where two have more cells of confusion than
        `MOST_CELLS` or `MOST_PER_ANSWER` allow, as with hundreds of labels. With one there is but one start.
    restarts : int
        Random starts, drawn by ``seed`` and what was answered; they are averaged by their evidence.
    prior : Prior, optional
        Right and wrong answers expected of each worker; by default `Prior.of_accuracy`.
    start : Result, optional
        Split what an earlier result says of the items instead of majority vote.

    """
    prior = Prior.of_accuracy(table.n_labels) if prior is None else prior
    prior.check(table.n_workers, table.n_labels)
    check_limits(max_iter, tol)
    if subtypes is None:
        cells = SUBTYPES * table.n_workers * table.n_labels**2
        subtypes = SUBTYPES if cells <= min(MOST_CELLS, MOST_PER_ANSWER * table.n_answers) else 1
    if subtypes < 1 or restarts < 1:
        raise ValueError("subtypes and restarts must be at least 1")
    limits = {"max_iter": max_iter, "tol": tol, "warm": start is not None}
    params = {"prior": prior.describe(), "subtypes": subtypes, "restarts": restarts, "seed": seed, **limits}
    climbs = climb_from_splits(
        table,
        clamp,
        prior,
        subtypes=subtypes,
        restarts=restarts,
        start=start,
        seed=seed,
        max_iter=max_iter,
        tol=tol,
        threads=threads,
    )
    results = [climbed.result for climbed in climbs]
    result = averaged(climbs, evidence_weights(results, table.n_answers), "ebcc")
    warn_unless_converged(result, params)
    return replace(result, params={**params, **result.params})
