"""Logs and metrics. No log line carries a body, a key or a market's worker id, whatever it is handed."""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, Any, Final, TextIO

import structlog
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0, generate_latest

if TYPE_CHECKING:
    from collections.abc import MutableMapping

REDACTED: Final = "[redacted]"

REGISTRY: Final = CollectorRegistry(auto_describe=True)
"""The process' metrics: `Counter("assay_answers_total", "…", registry=REGISTRY)`."""

ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

_SECRET_KEY = re.compile(
    r"secret|password|passwd|token|authorization|cookie|signature|credential|private|dsn|database_?url"
    r"|(api|access|installation|requester)_?key\Z|\Akey\Z",
    re.IGNORECASE,
)
_BODY_KEY = re.compile(
    r"(\A|_)(body|payload|payloads|question|answer_xml|raw_answer|xml|html|form|content)\Z", re.IGNORECASE
)
_WORKER_KEY = re.compile(r"\A(market_)?worker_?id\Z", re.IGNORECASE)

_WORKER_ID: Final = re.compile(r"\bA[A-Z0-9]{11,14}\b")  # a Mechanical Turk worker id is A and 12 or 13 more
_URL_PASSWORD: Final = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^/\s:@]*):[^/\s@]+@", re.IGNORECASE)
# Postgres quotes the row that breaks a constraint, answers and all.
_FAILING_ROW: Final = re.compile(r"(Failing row contains )\(.*\)", re.DOTALL)
_QUERY_SECRET: Final = re.compile(r"([?&](?:workerId|assignmentId|token|key|secret)=)[^&\s\"']+", re.IGNORECASE)

_QUIET: Final = (
    "botocore",
    "boto3",
    "urllib3",
    "asyncio",
    "hpack",
    "httpx",
    "httpcore",
    "numba",
    "markdown_it",
)


def configure_logging(*, level: str = "info", format: str = "console", stream: TextIO | None = None) -> None:  # noqa: A002
    """Send structlog and the standard library's logging through one chain to `stream`.

    Parameters
    ----------
    level : str
        ``debug``, ``info``, ``warning`` or ``error``.
    format : str
        ``console`` for people, ``json`` for machines: one object a line.
    stream : TextIO, optional
        Standard error by default.
    """
    stream = stream or sys.stderr
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,  # before redaction: an exception's text may hold a secret
        redact,
    ]
    last: Any = (
        structlog.processors.JSONRenderer()
        if format == "json"
        else structlog.dev.ConsoleRenderer(colors=stream.isatty())
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old.formatter, structlog.stdlib.ProcessorFormatter)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _QUIET:  # these log bodies and headers below this level
        logging.getLogger(name).setLevel(logging.WARNING)


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace what stands under a secret's, a body's or a market worker's name; scrub what text hides."""
    return {
        key: value if key in {"_record", "_from_structlog"} else _redact(key, value) for key, value in event.items()
    }


def render_metrics() -> tuple[bytes, str]:
    """Return the metrics in Prometheus' text format, and its media type."""
    return generate_latest(REGISTRY), CONTENT_TYPE_PLAIN_1_0_0


def _redact(key: str, value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if _SECRET_KEY.search(key) or _BODY_KEY.search(key) or _WORKER_KEY.search(key):
        return REDACTED
    if isinstance(value, dict):
        return {inner: _redact(str(inner), item) for inner, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_redact("", item) for item in value]
    if isinstance(value, bytes):
        return f"[{len(value)} bytes]"
    return scrub(value if isinstance(value, str) else str(value))


def scrub(text: str) -> str:
    """Return the text without passwords in addresses, secrets in queries, market worker ids and rows of tables."""
    text = _FAILING_ROW.sub(rf"\1{REDACTED}", text)
    text = _URL_PASSWORD.sub(rf"\1:{REDACTED}@", text)
    text = _QUERY_SECRET.sub(rf"\1{REDACTED}", text)
    return _WORKER_ID.sub(REDACTED, text)
