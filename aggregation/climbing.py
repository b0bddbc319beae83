"""Where climbs begin, which of several is kept, and what is said where none arrived."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from aggregation.earlier import posterior_from
from aggregation.result import ConvergenceWarning, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aggregation.arrays import Floats, Ints
    from aggregation.fit import Fit

# Two climbs whose bounds differ by less have ended at one summit.
WORTH = 1e-6


def check_limits(max_iter: int, tol: float) -> None:
    """Raise ValueError where a climb would have no step, or no end that can be reached."""
    if max_iter < 1:
        raise ValueError(f"max_iter must be at least 1, not {max_iter}")
    if not tol >= 0:
        raise ValueError(f"tol must not be negative, but is {tol}")


def fit_from_votes(fit: Fit, max_iter: int, tol: float, start: Result | None = None) -> Result:
    """
    Climb from majority vote and, where there is gold, also from what gold alone says of the workers.

    With ``start`` the climb begins from what that earlier result says of the table instead of from majority vote.

    The climb that ends with the higher bound is kept: with a bias that most workers share, majority vote lies
    beyond a valley that no climb crosses. Without gold nothing in the answers names the labels, so a climb that
    ends with labels exchanged is put right; see `unswitch`.
    """
    if start is None:
        fit.begin_with_votes()
    else:
        fit.begin(posterior_from(start, fit.table, fit.clamp))
        fit.settle()
    result = unswitch(fit, fit.climb(max_iter, tol), max_iter, tol)
    return better_with_gold(fit, result, max_iter, tol)


def better_with_gold(fit: Fit, result: Result, max_iter: int, tol: float) -> Result:
    """Climb from what gold alone says, where there is gold, and keep the higher of the two."""
    if not fit.clamp.known.any():
        return result
    fit.begin_with_votes(gold_only=True)
    other = fit.climb(max_iter, tol)
    return other if other.objective[-1] > result.objective[-1] + WORTH else result


def unswitch(fit: Fit, result: Result, max_iter: int, tol: float) -> Result:
    """
    Put exchanged labels right where there is no gold to name them.

    A model of this kind explains answers as well with its labels renamed, and a climb can end there. Where under
    some renaming more answers agree with the labels than do as they are, the climb is begun again from the renamed
    posterior.
    """
    if fit.clamp.known.any():
        return result
    order = renaming(fit.agreement())
    if (order == np.arange(order.size)).all():
        return result
    fit.begin(np.ascontiguousarray(result.posterior[:, order]))
    return fit.climb(max_iter, tol)


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
