"""Infer labels from workers' answers: arrays in, a frozen result out."""

from aggregation.methods import METHODS, aggregate
from aggregation.prior import Prior
from aggregation.result import ConvergenceWarning, Result
from aggregation.table import LabelTable

__all__ = ["METHODS", "ConvergenceWarning", "LabelTable", "Prior", "Result", "aggregate"]
