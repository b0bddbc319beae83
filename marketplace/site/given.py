"""How a handler says that a parameter is handed to it, ready made."""

from __future__ import annotations

from typing import Annotated, TypeAlias, TypeVar

from litestar.di import Dependency
from litestar.params import SkipValidationMarker

T = TypeVar("T")

Given: TypeAlias = Annotated[T, Dependency(kind="named"), SkipValidationMarker()]
"""One of the router's dependencies, by the parameter's name; it is ours, so nothing of it needs validating."""
