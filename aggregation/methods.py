"""The one door to every model: `aggregate`."""

from __future__ import annotations

import warnings
from dataclasses import asdict, replace
from functools import partial
from importlib import import_module
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

import numpy as np

from aggregation.calibration import Curve, of_labels, with_confidence
from aggregation.fingerprint import fingerprints, told_apart
from aggregation.gold import Clamp
from aggregation.result import ConvergenceWarning
from aggregation.tempering import tempered

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from aggregation.prior import Prior
    from aggregation.result import Result
    from aggregation.table import LabelTable

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


# Confidence is fitted on results that need not be as fine as the one that is given back.
FOR_CURVE = {"auto": {"restarts": 2}, "ebcc": {"restarts": 2}}


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
        gold unknown, to fit confidence on gold that was not told.
    **options
        The method's own parameters, such as ``prior``, ``start``, ``max_iter`` and ``tol`` of `dawid_skene`. A model
        with workers takes ``prior``, what is known of them from earlier jobs; one that climbs takes ``start``, an
        earlier result over the same items and workers, and more behind them.

    Raises
    ------
    ValueError
        The method is unknown, or an option does not fit the table.

    """
    model = _model(method)
    _check_options(method, model, options)
    clamp = Clamp.from_gold(gold, table.n_items, table.n_labels)
    result: Result = model(table, clamp, **options)
    probabilities, correlation = tempered(table, clamp, result.posterior, options.get("prior"))
    curve = Curve()
    if (clamp.known & (table.answers_per_item > 0)).sum() >= 2:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # said once, for the result itself
            curve = _curve_on_gold(
                table, clamp, partial(model, **FOR_CURVE.get(method, {}) | options), options.get("prior")
            )
    confidence = curve.apply(of_labels(probabilities, result.labels))
    kept = np.where(clamp.known, of_labels(probabilities, result.labels), confidence)
    told = {**result.params, "calibration": {"correlation": correlation, **asdict(curve)}}
    return replace(result, calibrated=with_confidence(probabilities, result.labels, kept), params=told)


def _model(method: str) -> Callable[..., Result]:
    if method.startswith("crowdkit:"):
        crowdkit: Callable[..., Result] = import_module("aggregation.crowdkit_adapter").crowdkit
        return partial(crowdkit, name=method.removeprefix("crowdkit:"))
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}: choose one of {', '.join(METHODS)}, or crowdkit:<Name>")
    module, function = METHODS[method].split(":")
    model: Callable[..., Result] = getattr(import_module(module), function)
    return model


def _check_options(method: str, model: Callable[..., Result], options: dict[str, Any]) -> None:
    """Raise ValueError where a method has no such option; crowd-kit's own are for it to judge."""
    taken = {
        name: option.kind for name, option in signature(model).parameters.items() if name not in {"table", "clamp"}
    }
    if Parameter.VAR_KEYWORD in taken.values():
        return
    strange = sorted(options.keys() - taken.keys())
    if strange:
        raise ValueError(f"{method} takes no {' or '.join(strange)}: its options are {', '.join(taken) or 'none'}")


def _curve_on_gold(
    table: LabelTable, clamp: Clamp, model: Callable[[LabelTable, Clamp], Result], prior: Prior | None
) -> Curve:
    """Fit a curve on gold items, each inferred while it and half of the gold were unknown."""
    items, _ = fingerprints(table)
    answered = np.flatnonzero(clamp.known & (table.answers_per_item > 0))
    ranked = answered[np.argsort(told_apart(table, items, clamp)[answered], kind="stable")]
    confidence, right = [], []
    for half in (ranked[::2], ranked[1::2]):
        known = clamp.without(half)
        result = model(table, known)
        labels = result.labels[half]
        probabilities, _ = tempered(table, known, result.posterior, prior)
        confidence.append(of_labels(probabilities[half], labels))
        right.append(clamp.accepted[clamp.row[half], labels].astype(np.float64))
    return Curve.fit(np.concatenate(confidence), np.concatenate(right))
