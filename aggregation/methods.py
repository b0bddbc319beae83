"""The one door to every model: `aggregate`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from aggregation.gold import Clamp

if TYPE_CHECKING:
    import numpy.typing as npt

    from aggregation.result import Result
    from aggregation.table import LabelTable

# Each model's module, loaded when it is first asked for: most need numba, whose import takes half a second.
METHODS = {
    "majority": "aggregation.majority:majority",
    "dawid_skene": "aggregation.dawid_skene:dawid_skene",
}


def aggregate(
    table: LabelTable,
    method: str = "dawid_skene",
    gold: npt.ArrayLike | None = None,
    **options: Any,
) -> Result:
    """
    Infer each item's label from the answers in ``table``.

    Parameters
    ----------
    table : LabelTable
    method : str
        A name in `METHODS`.
    gold : (n_items,) int or (n_items, n_labels) bool, optional
        Known labels, -1 where unknown; or the accepted labels of each item, none where unknown. An item of
        which something is known keeps to it.
    **options
        The method's own parameters, such as ``prior``, ``start``, ``max_iter`` and ``tol`` of `dawid_skene`.

    Raises
    ------
    ValueError
        The method is unknown, or an option does not fit the table.

    """
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}: choose one of {', '.join(METHODS)}")
    module, function = METHODS[method].split(":")
    clamp = Clamp.from_gold(gold, table.n_items, table.n_labels)
    result: Result = getattr(import_module(module), function)(table, clamp, **options)
    return result
