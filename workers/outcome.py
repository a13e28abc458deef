"""What came out of a run: the JSON that a supervisor hands to whoever asked.

The supervisor prints one JSON object a line: `Event`s while the run lives, and one `Outcome` as the last.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from workers.timeline import Timeline

Status = Literal["succeeded", "failed", "timed_out", "lost", "cancelled"]
WAIT_CAUSES = (
    "cluster_lock",
    "folio_lock",
    "tick_sleep",
    "device",
    "reclaim",
    "mmap_lock",
    "page_table_lock",
    "other_lock",
)
QUANTILES = {"p50_ns": 0.50, "p90_ns": 0.90, "p99_ns": 0.99, "p999_ns": 0.999, "p9999_ns": 0.9999}


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Histogram(Model):
    """Latencies of one kind of operation: parallel arrays of bucket bounds in ns and counts, empty buckets left out."""

    lower_ns: list[int]
    upper_ns: list[int]
    counts: list[int]
    total: int
    sum_ns: int
    max_ns: int


class Violation(Model):
    """A law that did not hold. `schedule` replays it when the executor was cooperative."""

    law: str
    sentence: str
    detail: str
    count: int = 1
    schedule: str | None = None


class KnownBreach(Model):
    """A law that did not hold, as it is known not to of this version; `known`: its number in the museum, and why."""

    law: str
    sentence: str
    detail: str
    count: int = 1
    known: str


class Wait(Model):
    """Time that operations spent in one cause of waiting, over all CPUs."""

    count: int
    total_ns: int
    max_ns: int


class Outcome(Model):
    """The end of a run. `known`: what the version is known to break, and did; no run fails by it.

    `metrics`: swap-in latency quantiles in ns (None where fewer than 100 observations lie beyond the quantile),
    throughput_ops_s, tick_sleeps and the rest of the headline figures.
    """

    status: Status
    reason_code: str
    reason: str
    elapsed_ns: int
    metrics: dict[str, float | int | None]
    waits: dict[str, Wait]
    events: dict[str, int]
    histograms: dict[str, Histogram]
    violations: list[Violation]
    known: list[KnownBreach] = []
    laws_checked: list[str]
    environment: dict[str, Any]
    evidence: dict[str, Any] = {}
    timeline: Timeline | None = None


class Event(Model):
    """A line of a living run: `started` (pid, segment), `sample` (once a second), `heartbeat`."""

    event: Literal["started", "running", "heartbeat", "sample", "outcome"]
    at_ns: int
    pid: int | None = None
    segment: str | None = None
    sample: dict[str, float | int | None] | None = None
    outcome: Outcome | None = None
