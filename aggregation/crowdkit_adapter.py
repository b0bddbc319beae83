"""crowd-kit's models under the same roof, as ``crowdkit:<Name>``.

It is imported here alone, where one of its models is asked for: that takes seconds. https://github.com/Toloka/crowd-kit
"""

from __future__ import annotations

import inspect
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from aggregation.majority import shares
from aggregation.result import Result, most_probable

if TYPE_CHECKING:
    from aggregation.arrays import Floats
    from aggregation.gold import Clamp
    from aggregation.table import LabelTable

PREFIX = "crowdkit:"
NAMES = (
    "MajorityVote",
    "Wawa",
    "ZeroBasedSkill",
    "DawidSkene",
    "OneCoinDawidSkene",
    "GLAD",
    "MACE",
    "MMSR",
    "KOS",
)
# Adds counts up by sorted names and takes them for those of names in the order in which they appear (1.4.2): so names
# are given in that order.
BY_APPEARANCE = {"MACE"}


def crowdkit(table: LabelTable, clamp: Clamp, *, name: str, **options: Any) -> Result:
    """
    Run one of crowd-kit's classifiers; ``options`` are its own.

    Gold is told to the models that take true labels, and kept to in the result of every one. A model that gives
    labels without probabilities is given all of the probability on its label.

    Raises
    ------
    ImportError
        crowd-kit is not installed.
    ValueError
        crowd-kit has no such classifier, or it cannot take this table or these options.

    """
    if name not in NAMES:
        raise ValueError(f"unknown model {PREFIX}{name}: choose one of {', '.join(PREFIX + known for known in NAMES)}")
    posterior, prevalence = shares(table, clamp)
    converged = True
    params: dict[str, Any] = {"options": options}
    if table.n_answers:
        probabilities, model = _predict(table, clamp, name, options, posterior.copy())
        posterior = clamp.apply(probabilities)
        if history := getattr(model, "loss_history_", None):  # of a model that stops at a tolerance
            converged, params = len(history) < model.n_iter, params | {"steps": len(history)}
        free = (table.answers_per_item > 0) & ~clamp.known
        prevalence = posterior[free].mean(axis=0) if free.any() else prevalence
    return Result(
        posterior=posterior,
        labels=most_probable(posterior, prevalence),
        confusion=None,
        prevalence=prevalence,
        objective=np.zeros(0),
        n_iter=0,
        converged=converged,
        method=PREFIX + name,
        params=params,
    )


def _imported(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{PREFIX} models need crowd-kit, and {error.name} is missing: pip install crowd-kit"
        ) from error


def _predict(
    table: LabelTable, clamp: Clamp, name: str, options: dict[str, Any], posterior: Floats
) -> tuple[Floats, Any]:
    """Give the probabilities, and the model that crowd-kit fitted."""
    pd, models = _imported("pandas"), _imported("crowdkit.aggregation")
    worker, label, named = table.worker, table.label.astype(np.int64), np.arange(table.n_labels)
    if name in BY_APPEARANCE:
        (worker, _), (label, named) = pd.factorize(worker), pd.factorize(label)
    frame = pd.DataFrame({"task": table.item, "worker": worker, "label": label})
    try:
        model = getattr(models, name)(**options)
    except TypeError as error:
        raise ValueError(f"{PREFIX}{name} does not take these options: {error}") from error
    arguments: dict[str, Any] = {}
    sure = np.flatnonzero(clamp.known & (table.answers_per_item > 0))
    sure = sure[clamp.accepted[clamp.row[sure]].sum(axis=1) == 1]
    if sure.size and "true_labels" in inspect.signature(model.fit).parameters:
        arguments["true_labels"] = pd.Series(clamp.accepted[clamp.row[sure]].argmax(axis=1), index=sure, name="task")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its dependencies' future
        try:
            if hasattr(model, "fit_predict_proba"):
                probabilities = model.fit_predict_proba(frame, **arguments)
                columns = probabilities.columns.to_numpy(dtype=np.int64)
                rows = probabilities.index.to_numpy(dtype=np.int64)
                posterior[rows] = 0.0
                posterior[np.ix_(rows, named[columns])] = np.nan_to_num(probabilities.to_numpy(dtype=np.float64))
            else:
                labels = model.fit_predict(frame, **arguments)
                posterior[labels.index.to_numpy(dtype=np.int64)] = np.eye(table.n_labels)[labels.to_numpy(dtype=int)]
        except Exception as error:  # crowd-kit raises what its dependencies do
            raise ValueError(f"{PREFIX}{name} cannot aggregate this table: {error}") from error
    total = posterior.sum(axis=1, keepdims=True)
    return np.where(total > 0, posterior / np.where(total > 0, total, 1.0), 1 / table.n_labels), model
