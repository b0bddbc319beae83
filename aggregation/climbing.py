"""Where climbs begin, which of several is kept, and what is said where none arrived."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from aggregation.earlier import posterior_from
from aggregation.restarts import Restarts
from aggregation.result import ConvergenceWarning, Result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aggregation.arrays import Floats, Ints
    from aggregation.fit import Fit
    from aggregation.gold import Clamp
    from aggregation.table import LabelTable

# Two climbs whose bounds differ by less have ended at one summit.
WORTH = 1e-6
# Gold items that have to be there, and what they have to say, in nats, for labels that are named otherwise than most
# answers name them: one item that misleads many workers can say more than a thousand to one.
FEWEST, SURE = 3, math.log(1000)


def check_limits(max_iter: int, tol: float) -> None:
    """Raise ValueError where a climb would have no step, or no end that can be reached."""
    if max_iter < 1:
        raise ValueError(f"max_iter must be at least 1, not {max_iter}")
    if not tol >= 0:
        raise ValueError(f"tol must not be negative, but is {tol}")


def fit_from_votes(
    fit: Fit, max_iter: int, tol: float, start: Result | None = None, restarts: Restarts | None = None
) -> Result:
    """
    Climb from majority vote and, where there is gold, also from what gold alone says of the workers.

    With ``start`` the climb begins from what that earlier result says of the table instead of from majority vote.

    With ``restarts`` it begins from elsewhere too. See `highest` for which of the climbs is kept.
    """
    if start is None:
        fit.begin_with_votes()
    else:
        fit.begin(posterior_from(start, fit.table, fit.clamp))
        fit.settle()
    result = highest(fit, fit.climb(max_iter, tol), max_iter, tol)
    return restarted(fit, result, max_iter, tol, restarts) if restarts else result


def highest(fit: Fit, result: Result, max_iter: int, tol: float) -> Result:
    """
    Climb from elsewhere too where that can lead higher, and keep the climb whose labels are named best.

    A model of this kind explains answers as well with its labels renamed, and a climb can end there. Where under
    some renaming more answers agree with the labels than do as they are, the climb is begun again from the renamed
    posterior. Where there is gold, it is also begun from what gold alone says of the workers: with a bias that most
    of them share, majority vote lies beyond a valley that no climb crosses.

    Without gold only the answers name the labels. With gold the higher bound is kept, but labels that are named
    otherwise than most answers name them have to be sure: see `best`.
    """
    order = renaming(fit.agreement())
    found, exchanged = [result], [is_exchange(order)]
    if exchanged[0]:
        fit.begin(fit.clamp.apply(np.ascontiguousarray(result.posterior[:, order])))
        found.append(fit.climb(max_iter, tol))
        exchanged.append(is_exchange(renaming(fit.agreement())))
    if not fit.clamp.known.any():
        return found[-1]
    fit.begin_with_votes(gold_only=True)
    found.append(fit.climb(max_iter, tol))
    exchanged.append(is_exchange(renaming(fit.agreement())))
    return found[best([one.objective[-1] for one in found], exchanged, fit.table, fit.clamp)]


def restarted(fit: Fit, first: Result, max_iter: int, tol: float, restarts: Restarts) -> Result:
    """Climb from elsewhere too, and keep the best of these climbs and the first; as `highest` does."""
    kept, exchanged = first, False
    for number, begin in enumerate(restarts.begins(fit.table, fit.clamp)):
        if not number:
            exchanged = is_exchange(renaming(fit.table.votes().T @ first.posterior))
        fit.forget()
        fit.begin(begin)
        result = fit.climb(max_iter, tol)
        other = is_exchange(renaming(fit.agreement()))
        if best([kept.objective[-1], result.objective[-1]], [exchanged, other], fit.table, fit.clamp):
            kept, exchanged = result, other
    return kept


def best(bounds: Sequence[float], exchanged: Sequence[bool], table: LabelTable, clamp: Clamp) -> int:
    """Say which of several climbs to keep: the first where none is higher, one that exchanged labels only if sure."""
    n_gold = np.count_nonzero(clamp.known & (table.answers_per_item > 0))
    doubt = SURE if n_gold >= FEWEST else math.inf
    worth = [bound - doubt if other else bound for bound, other in zip(bounds, exchanged, strict=True)]
    return next(place for place, value in enumerate(worth) if value >= max(worth) - WORTH)


def is_exchange(order: Ints) -> bool:
    """Say whether an order of labels differs from the order that they have."""
    return bool((order != np.arange(order.size)).any())


def renaming(agreement: Floats) -> Ints:
    """
    Find the order of labels under which most answers agree: as they are, wherever that is no worse.

    Parameters
    ----------
    agreement : (n_labels, n_labels)
        Answers by label given and true label.

    """
    own = np.arange(agreement.shape[0])
    if (agreement.argmax(axis=1) == own).all():
        return own
    if own.size == 2:
        order: Ints = own[::-1]  # the only other one
    else:
        from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 - rarely needed, and slow to import

        _, order = linear_sum_assignment(-agreement)
    return order if agreement[own, order].sum() > agreement[own, own].sum() + WORTH else own


def warn_unless_converged(result: Result, params: Mapping[str, Any]) -> None:
    """Say how to get to the end of a climb that was stopped before it."""
    if not result.converged:
        message = (
            f"{result.method} did not converge in {params['max_iter']} iterations: "
            f"raise max_iter, or tol above {params['tol']}"
        )
        warnings.warn(message, ConvergenceWarning, stacklevel=5)
