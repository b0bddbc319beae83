"""Bodies of requests: their media type, their shape, and what is said where either is not as expected."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec
from litestar import Request

from service.api.problems import Refusal, named
from service.shape import differences, unstorable

T = TypeVar("T")

JSON: Final = "application/json"
YAML: Final = ("application/yaml", "application/x-yaml", "text/yaml")


def media_type(request: Request[Any, Any, Any], *accepted: str) -> str:
    """Return the body's media type, if it is one that is read here.

    Raises
    ------
    Refusal
        415, naming what is read; also for a content encoding or a character set that is not.
    """
    kind, options = request.content_type
    kind = kind.lower()
    expected = f"expected {' or '.join(accepted)}"
    if kind not in accepted:
        raise Refusal("unsupported-media-type", f"Content-Type: {expected}, got {kind[:100] or 'none'}.")
    charset = options.get("charset", "utf-8").lower()
    if charset not in {"utf-8", "utf8", "us-ascii"}:
        raise Refusal("unsupported-media-type", f"Content-Type: expected charset=utf-8, got {charset[:50]}.")
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        raise Refusal("unsupported-media-type", f"Content-Encoding: expected none, got {encoding[:50]}.")
    return kind


async def read_json(request: Request[Any, Any, Any], shape: type[T]) -> T:
    """Return a JSON body as a struct.

    Raises
    ------
    Refusal
        400, 415 or 422, naming every field that is not as expected.
    """
    media_type(request, JSON)
    text = await request.body()
    try:
        text.decode()
        raw = msgspec.json.decode(text)
    except UnicodeDecodeError as error:
        raise Refusal("malformed-request", f"The body: expected UTF-8; byte {error.start + 1} is not.") from None
    except RecursionError:
        raise Refusal("malformed-request", "The body is nested too deeply.") from None
    except ValueError as error:
        raise Refusal("malformed-request", f"The body is not valid JSON: {error}") from None
    wrong = list(unstorable(raw))[:50] or differences(shape, raw)
    if wrong:
        raise Refusal("invalid-content", f"The body is not valid: {wrong[0]}", errors=named(wrong))
    return msgspec.convert(raw, shape)
