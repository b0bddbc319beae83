"""What is said of every route beside its path: the scope it needs, the bodies it reads, the problems it may answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from litestar.di import NamedDependency
from litestar.handlers.base import BaseRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter, QueryParameter, SkipValidation

from service.api.problems import KINDS, MEDIA_TYPE, Problem
from service.app import Service
from service.store.keys import Caller

# What dependencies hand to handlers; there is nothing in them to validate.
Given: TypeAlias = NamedDependency[SkipValidation[Service]]
By: TypeAlias = NamedDependency[SkipValidation[Caller]]
JobId: TypeAlias = Annotated[str, PathParameter(description="the job's id, `job_…`")]
WorkerId: TypeAlias = Annotated[str, PathParameter(description="Assay's own id of the worker, `worker_…`")]
KeyId: TypeAlias = Annotated[str, PathParameter(description="the key's id, `key_…`")]


def about(
    scope: str | None,
    *problems: str,
    reads: Mapping[str, Any] | None = None,
    answers: Mapping[str, Any] | None = None,
    also: Mapping[int, str] | None = None,
    largest: int | None = None,
) -> dict[str, Any]:
    """Return the keyword arguments of a route that say what it needs and what it may answer.

    Parameters
    ----------
    scope : str or None
        What the caller's key must have; None is open to everybody.
    *problems : str
        Kinds of problems that it may answer, beside those that come with its scope and body.
    reads, answers : mapping of media type to type, optional
        The bodies that it reads, which it decodes itself; those that it answers, where its return type does not say.
    also : mapping of status to description, optional
        Statuses that it may answer with the same body, beside its own.
    largest : int, optional
        The most bytes of a body.
    """
    kinds = list(problems)
    if scope is not None:
        kinds += ["malformed-request", "unauthenticated", "forbidden"]
    if reads:
        kinds += ["malformed-request", "body-too-large", "unsupported-media-type"]
    by_status: dict[int, list[str]] = {}
    for kind in dict.fromkeys(kinds):
        by_status.setdefault(KINDS[kind][0], []).append(KINDS[kind][1])
    told: dict[str, Any] = {
        "opt": {"scope": scope, "reads": dict(reads or {}), "answers": dict(answers or {}), "also": dict(also or {})},
        "responses": {
            status: ResponseSpec(
                Problem, description=". ".join(titles) + ".", media_type=MEDIA_TYPE, generate_examples=False
            )
            for status, titles in sorted(by_status.items())
        },
    }
    if largest is not None:
        told["request_max_body_size"] = largest
    return told


def query_parameters(handler: BaseRouteHandler) -> set[str]:
    """Return the names of the query parameters that a handler takes."""
    told = ((name, field.kwarg_definition) for name, field in handler.parsed_fn_signature.parameters.items())
    return {one.name or name for name, one in told if isinstance(one, QueryParameter)}
