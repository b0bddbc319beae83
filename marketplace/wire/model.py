"""Botocore's model of Mechanical Turk's Requester API, version 2017-01-17: the contract."""

from __future__ import annotations

from functools import cache

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape

__all__ = ["Shape", "operation_model", "service_model"]


@cache
def service_model() -> ServiceModel:
    """Load the model that is installed with botocore."""
    return ServiceModel(Loader().load_service_model("mturk", "service-2", "2017-01-17"), "mturk")


@cache
def operation_model(name: str) -> OperationModel | None:
    """Return an operation of the contract, or None where there is none of this name."""
    model = service_model()
    return model.operation_model(name) if name in model.operation_names else None
