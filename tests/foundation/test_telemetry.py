"""Logs carry no secret, body or market worker id, from whichever library they come; metrics are rendered."""

from __future__ import annotations

import io
import json
import logging

import pytest
import structlog
from prometheus_client import Counter

from foundation.telemetry import REDACTED, REGISTRY, configure_logging, render_metrics, scrub


@pytest.fixture
def log():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging(level="debug", format="json", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def test_what_must_not_be_logged_is_redacted_at_any_depth(log):
    structlog.get_logger("t").info(
        "request",
        job="job_01",
        n_items=3,
        api_key="k",
        password="p",
        worker_id="A1",
        body=b"x",
        deep={"WorkerId": "A2", "list": [{"Authorization": "AWS4 …"}], "kept": "yes"},
        payload={"text": "private"},
    )
    (line,) = log()
    assert (line["job"], line["n_items"], line["deep"]["kept"]) == ("job_01", 3, "yes")
    assert [line[key] for key in ("api_key", "password", "worker_id", "body", "payload")] == [REDACTED] * 5
    assert line["deep"]["WorkerId"] == REDACTED
    assert line["deep"]["list"] == [{"Authorization": REDACTED}]


def test_text_is_scrubbed_of_passwords_worker_ids_and_query_secrets(log):
    url = "https://h/work?assignmentId=3ABC&workerId=A1B2C3D4E5F6G7&hitId=3HIT"
    logging.getLogger("some.library").warning("worker %s at %s via %s", "A1B2C3D4E5F6G", url, "postgresql://u:hush@h/d")
    (line,) = log()
    assert line["event"] == (
        f"worker {REDACTED} at https://h/work?assignmentId={REDACTED}&workerId={REDACTED}&hitId=3HIT "
        f"via postgresql://u:{REDACTED}@h/d"
    )


def test_a_traceback_is_scrubbed_too(log):
    try:
        int("postgresql://u:hush@h/d")
    except ValueError:
        structlog.get_logger("t").exception("failed")
    (line,) = log()
    assert "ValueError" in line["exception"]
    assert "hush" not in line["exception"]


def test_libraries_that_log_bodies_are_kept_quiet(log):
    logging.getLogger("botocore.endpoint").debug("Sending http request: body=%s", "private")
    assert log() == []


def test_configuring_twice_writes_each_line_once(log):
    stream = io.StringIO()
    configure_logging(level="info", format="console", stream=stream)
    logging.getLogger("t").info("once")
    assert stream.getvalue().count("once") == 1
    assert log() == []


def test_metrics_are_rendered_for_prometheus():
    counter = Counter("assay_test_total", "Counted here.", registry=REGISTRY)
    counter.inc(2)
    try:
        content, media_type = render_metrics()
    finally:
        REGISTRY.unregister(counter)
    assert b"assay_test_total 2.0" in content
    assert b"process_cpu_seconds_total" in content
    assert media_type.startswith("text/plain")


def test_the_row_that_broke_a_constraint_is_not_quoted():
    said = 'new row for relation "a" violates\nDETAIL:  Failing row contains (3ABC, my (long)\nanswer, null).\nHINT: x'
    assert scrub(said) == 'new row for relation "a" violates\nDETAIL:  Failing row contains [redacted].\nHINT: x'
