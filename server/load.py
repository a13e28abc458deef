"""Load tests: the models of what Locust reports when it ends.

Latencies are counted in buckets of two significant digits (loadtests/rounding.py), so a percentile is known within 5 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, JsonValue, model_validator

from server.schemas import MAX_COMPARED_RUNS, MAX_ID, Id, Model
from workers.outcome import QUANTILES

Shape = Literal["constant", "ramp", "spike", "swapoff_storm"]
Count = Annotated[int, Field(ge=0, le=MAX_ID)]
Bucket = Annotated[list[Count], Field(min_length=2, max_length=2)]
MAX_ENTRIES = 100  # kinds of requests of one load test
MAX_BUCKETS = 1_500  # of one kind: 90 a decade, from 1 ns to an hour
MAX_LATENCY_NS = 10**13


class LoadEntry(Model):
    """One kind of request: GET, POST ... of the API; CPU for operations of CPU users; RUN for whole runs."""

    kind: str = Field(pattern=r"^[A-Z]{1,16}$")
    name: str = Field(min_length=1, max_length=200)
    requests: Count
    failures: Count
    sum_ns: Count
    max_ns: int = Field(ge=0, le=MAX_LATENCY_NS)
    buckets: list[Bucket] = Field(max_length=MAX_BUCKETS, description="[[latency_ns, times], ...]")


class LoadError(Model):
    """Requests that failed in the same way."""

    kind: str = Field(max_length=16)
    name: str = Field(max_length=200)
    error: str = Field(max_length=1_000)
    times: Count


class LoadFacts(Model):
    """How a load test was made."""

    name: str = Field("", max_length=200)
    shape: Shape = "constant"
    users: int = Field(ge=0, le=100_000)
    cpu_users: int = Field(0, ge=0, le=1_000)
    cpu_mode: Literal["attached", "http", "mixed", "none"] = "none"
    spawn_rate: float = Field(gt=0, le=100_000)
    workers: int = Field(0, ge=0, le=1_000, description="worker processes of Locust; 0: it was one process")
    elapsed_ns: int = Field(ge=1, le=10**15)
    run_id: Id | None = Field(None, description="the run that its CPU users drove")
    environment: dict[str, JsonValue] = Field({}, description="host, kernel, cpu_model ... as of a run")


class LoadTestCreate(LoadFacts):
    """What Locust reports when a load test has ended."""

    entries: list[LoadEntry] = Field(max_length=MAX_ENTRIES)
    errors: list[LoadError] = Field([], max_length=MAX_ENTRIES)

    @model_validator(mode="after")
    def _entries_are_told_apart(self) -> LoadTestCreate:
        keys = [(entry.kind, entry.name) for entry in self.entries]
        if len(set(keys)) != len(keys):
            raise ValueError("each kind and name of 'entries' may come once")
        return self


class LoadTest(LoadFacts):
    """A load test as it is kept."""

    id: int
    created_at: str
    protocol: str | None = Field(description="of the run that was driven")
    requests: int
    failures: int


class LoadFigures(LoadEntry):
    """One kind of request with its percentiles; None where nothing was answered."""

    requests_s: float
    mean_ns: int | None
    p50_ns: int | None
    p90_ns: int | None
    p99_ns: int | None
    p999_ns: int | None


class LoadTestResult(LoadTest):
    """A load test with all its figures."""

    entries: list[LoadFigures]
    errors: list[LoadError]


class LoadComparison(Model):
    """Which load tests to compare, over which kind of request."""

    baseline: list[Id] = Field(min_length=1, max_length=MAX_COMPARED_RUNS)
    candidate: list[Id] = Field(min_length=1, max_length=MAX_COMPARED_RUNS)
    kind: str = Field(max_length=16, description="as in the entries: GET, CPU ...")
    name: str = Field(max_length=200, description="as in the entries: /api/v1/runs, swap-in ...")


def quantile_ns(buckets: Sequence[Sequence[int]], share: float) -> int | None:
    """The latency below which `share` of the requests lie; None without any."""
    total = sum(count for _, count in buckets)
    seen = 0
    for latency_ns, count in sorted((latency_ns, count) for latency_ns, count in buckets):
        seen += count
        if seen >= share * total and count:
            return latency_ns
    return None


def figures(entry: LoadEntry, elapsed_ns: int) -> LoadFigures:
    """An entry with what follows from its buckets."""
    answered = sum(count for _, count in entry.buckets)
    shares = {name: quantile_ns(entry.buckets, QUANTILES[name]) for name in ("p50_ns", "p90_ns", "p99_ns", "p999_ns")}
    mean_ns = round(entry.sum_ns / answered) if answered else None
    return LoadFigures(**entry.model_dump(), requests_s=entry.requests * 1e9 / elapsed_ns, mean_ns=mean_ns, **shares)
