"""What the service counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

from foundation.telemetry import REGISTRY

STAGE_SECONDS = Histogram("assay_stage_seconds", "Time that one run of a stage took.", ["stage"], registry=REGISTRY)
STAGE_FAILURES = Counter("assay_stage_failures_total", "Runs of a stage that failed.", ["stage"], registry=REGISTRY)
EFFECTS = Counter("assay_effects_total", "Effects sent to a market.", ["kind", "outcome"], registry=REGISTRY)
ASSIGNMENTS = Counter("assay_assignments_total", "Assignments collected.", ["readable"], registry=REGISTRY)
ANSWERS = Counter("assay_answers_total", "Answers collected.", registry=REGISTRY)
MARKET_CPU_SECONDS = Counter(
    "assay_market_cpu_seconds_total",
    "CPU time of the threads that call markets: signing, sending and parsing.",
    ["operation"],
    registry=REGISTRY,
)
