"""The one door to every model: `aggregate`."""

from __future__ import annotations

import warnings
from dataclasses import asdict, replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from aggregation.calibration import Curve, of_labels, with_confidence
from aggregation.fingerprint import fingerprints, told_apart
from aggregation.gold import Clamp, HeldOut
from aggregation.options import check
from aggregation.result import ConvergenceWarning
from aggregation.table import LabelTable
from aggregation.tempering import tempered

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from aggregation.prior import Prior
    from aggregation.result import Result

    Learn = Callable[[LabelTable, Clamp, Result, list[HeldOut]], tuple[Result, list[HeldOut]]]

# Each model's module, loaded when it is first asked for: most need numba, whose import takes half a second.
METHODS = {
    "majority": "aggregation.majority:majority",
    "wawa": "aggregation.wawa:wawa",
    "dawid_skene": "aggregation.dawid_skene:dawid_skene",
    "maximum_likelihood": "aggregation.dawid_skene:maximum_likelihood",
    "hierarchical": "aggregation.bayes:hierarchical",
    "bcc": "aggregation.bayes:bcc",
    "ebcc": "aggregation.ebcc:ebcc",
    "auto": "aggregation.auto:auto",
    "one_coin": "aggregation.coin:one_coin",
    "glad": "aggregation.glad:glad",
    "mace": "aggregation.coin:mace",
}


# What is learnt on gold is learnt from results that need not be as fine as the one that is given back.
HELD_OUT = {"auto": {"restarts": 2}, "ebcc": {"restarts": 2}}


def aggregate(
    table: LabelTable,
    method: str = "dawid_skene",
    gold: npt.ArrayLike | None = None,
    **options: Any,
) -> Result:
    """
    Infer each item's label from the answers in ``table``, and how sure one may be of it.

    Parameters
    ----------
    table : LabelTable
    method : str
        A name in `METHODS`, or ``crowdkit:<Name>`` for one of crowd-kit's classifiers.
    gold : (n_items,) int or (n_items, n_labels) bool, optional
        Known labels, -1 where unknown; or the accepted labels of each item, none where unknown. An item of
        which something is known keeps to it. The labels are also inferred twice more, each time with half of the
        gold unknown, to fit confidence, and `auto`'s odds of the majority, on gold that was not told.
    **options
        The method's own parameters, such as ``prior``, ``start``, ``max_iter`` and ``tol`` of `dawid_skene`. A model
        with workers takes ``prior``, what is known of them from earlier jobs; one that climbs takes ``start``, an
        earlier result over the same items and workers, and more behind them, and ``restarts`` and ``seed``.

    Returns
    -------
    Result
        Labels, probabilities, confidence and what was learnt of the workers. Its ``params`` tell what the method was
        run with, what it chose, and how confidence was calibrated.

    Raises
    ------
    TypeError
        Gold or an option is of another kind.
    ValueError
        The method is unknown, gold or an option does not fit the table, or the table is too large for the method; the
        message says what to do.
    ImportError
        One of crowd-kit's models is asked for, and crowd-kit is not installed.

    Warns
    -----
    ConvergenceWarning
        The climb was stopped at ``max_iter``.

    """
    if not isinstance(table, LabelTable):
        raise TypeError(f"table must be a LabelTable, as LabelTable.from_arrays makes it, not {type(table).__name__}")
    model = _model(method)
    check(method, model, options)
    clamp = Clamp.from_gold(gold, table.n_items, table.n_labels)
    result: Result = model(table, clamp, **options)
    held_out = _hold_out(table, clamp, partial(model, **HELD_OUT.get(method, {}) | options))
    if method == "auto" and held_out:
        learn_odds: Learn = import_module("aggregation.majority_odds").learn_odds
        result, held_out = learn_odds(table, clamp, result, held_out)
    probabilities, correlation = tempered(table, clamp, result.posterior, options.get("prior"))
    curve = _curve_on(held_out, table, options.get("prior"))
    confidence = curve.apply(of_labels(probabilities, result.labels))
    kept = np.where(clamp.known, of_labels(probabilities, result.labels), confidence)
    told = {**result.params, "calibration": {"correlation": correlation, **asdict(curve)}}
    return replace(result, calibrated=with_confidence(probabilities, result.labels, kept), params=told)


def _model(method: str) -> Callable[..., Result]:
    if not isinstance(method, str):
        raise TypeError(f"method must be a name, not {type(method).__name__}")
    if method.startswith("crowdkit:"):
        crowdkit: Callable[..., Result] = import_module("aggregation.crowdkit_adapter").crowdkit
        return partial(crowdkit, name=method.removeprefix("crowdkit:"))
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}: choose one of {', '.join(METHODS)}, or crowdkit:<Name>")
    module, function = METHODS[method].split(":")
    model: Callable[..., Result] = getattr(import_module(module), function)
    return model


def _hold_out(table: LabelTable, clamp: Clamp, model: Callable[[LabelTable, Clamp], Result]) -> list[HeldOut]:
    """Infer twice, each time with half of the gold unknown; nothing where there is no gold to tell from."""
    answered = np.flatnonzero(clamp.known & (table.answers_per_item > 0))
    if answered.size < 2:
        return []
    items, _ = fingerprints(table)
    ranked = answered[np.argsort(told_apart(table, items, clamp)[answered], kind="stable")]
    held_out = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # said once, for the result itself
        for half in (ranked[::2], ranked[1::2]):
            known = clamp.without(half)
            held_out.append(HeldOut(half, known, model(table, known), clamp.accepted[clamp.row[half]]))
    return held_out


def _curve_on(held_out: list[HeldOut], table: LabelTable, prior: Prior | None) -> Curve:
    """Fit a curve on gold that was held out; without any, none."""
    if not held_out:
        return Curve()
    confidence, right = [], []
    for one in held_out:
        probabilities, _ = tempered(table, one.known, one.result.posterior, prior)
        confidence.append(of_labels(probabilities, one.result.labels)[one.items])
        right.append(one.hits(one.result.labels))
    return Curve.fit(np.concatenate(confidence), np.concatenate(right))
