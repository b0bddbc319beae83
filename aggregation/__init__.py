"""Infer labels from workers' answers: arrays in, a frozen result out.

>>> from aggregation import LabelTable, aggregate
>>> table = LabelTable.from_arrays(item=[0, 0, 1, 1], worker=[0, 1, 0, 1], label=[1, 1, 0, 1], n_labels=2)
>>> aggregate(table).labels.tolist()
[1, 1]

``majority`` and ``wawa`` count votes. ``dawid_skene`` and ``maximum_likelihood`` learn a confusion matrix for each
worker, ``hierarchical`` and ``bcc`` a distribution of it, ``ebcc`` besides on which items workers err together;
``one_coin`` and ``mace`` learn one number for each worker, ``glad`` one for each worker and item. ``auto`` averages by
what predicts best. ``crowdkit:<Name>`` runs crowd-kit's. Every result has a `Result.confidence` that means what it
says.
"""

from aggregation.methods import METHODS, aggregate
from aggregation.prior import Prior
from aggregation.result import ConvergenceWarning, Result
from aggregation.table import LabelTable

__all__ = ["METHODS", "ConvergenceWarning", "LabelTable", "Prior", "Result", "aggregate"]
