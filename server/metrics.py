"""What Prometheus reads at /metrics. docs/operation.md lists every name.

Counters live in this process and start at 0 with it; gauges of runs and of the database are read when asked for. Labels
have few values, whatever clients send: a route is the pattern of an address, and everything else is `unknown`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from server.schemas import Run
from server.states import STATES
from server.store import Store

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
ANSWER_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
RUN_SECONDS = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 3600)

disable_created_metrics()  # when each counter began: the start of the process says that for all of them


class StoreFigures(Collector):
    """Runs by state and what the database is like, read from it at every look."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        """Nothing of the database but its absence, where it cannot be read."""
        up = GaugeMetricFamily("swaprace_database_up", "1 while the database can be read.")
        started = time.perf_counter()
        try:
            states, size = self._store.count_by_state(), self._store.size_bytes()
        except SQLAlchemyError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        runs = GaugeMetricFamily("swaprace_runs", "Runs in the database, by state.", labels=["state"])
        for state in STATES:
            runs.add_metric([state], states.get(state, 0))
        yield runs
        yield GaugeMetricFamily("swaprace_database_bytes", "Size of the database.", value=size)
        seconds = time.perf_counter() - started
        yield GaugeMetricFamily(
            "swaprace_database_read_seconds", "Time that these figures took to read.", value=seconds
        )


class Metrics:
    """The metrics of one application, in a registry of their own."""

    def __init__(self, store: Store) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.registry.register(StoreFigures(store))
        self._requests = Counter(
            "swaprace_http_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._answer_seconds = Histogram(
            "swaprace_http_request_seconds",
            "Time from the whole request to the begin of its answer.",
            ["method", "route"],
            buckets=ANSWER_SECONDS,
            registry=self.registry,
        )
        self._runs_ended = Counter(
            "swaprace_runs_ended",
            "Runs that this process watched to their end.",
            ["state", "protocol"],
            registry=self.registry,
        )
        self._run_seconds = Histogram(
            "swaprace_run_seconds",
            "Measured time of runs that succeeded.",
            ["executor"],
            buckets=RUN_SECONDS,
            registry=self.registry,
        )
        self._claims = Counter("swaprace_claims", "Runs that this process took from the queue.", registry=self.registry)
        self._dispatcher_up = Gauge(
            "swaprace_dispatcher_up", "1 while this process takes runs from the queue.", registry=self.registry
        )
        self._streams = Gauge("swaprace_streams", "Event streams that are open.", registry=self.registry)

    def text(self) -> bytes:
        """Everything in the text format of Prometheus."""
        return generate_latest(self.registry)

    def answered(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count a request; `route` None where no address matched."""
        method, route = method if method in METHODS else "unknown", route or "unknown"
        self._requests.labels(method, route, str(status)).inc()
        self._answer_seconds.labels(method, route).observe(seconds)

    def claimed(self) -> None:
        """Count a run taken from the queue."""
        self._claims.inc()

    def ended(self, run: Run) -> None:
        """Count a run that has ended."""
        self._runs_ended.labels(run.state, run.protocol).inc()
        if run.state == "succeeded" and run.elapsed_ns is not None:
            self._run_seconds.labels(run.executor).observe(run.elapsed_ns / 1e9)

    def watch_dispatcher(self, is_alive: Callable[[], bool]) -> None:
        """Ask this at every look whether the dispatcher works."""
        self._dispatcher_up.set_function(lambda: float(is_alive()))

    @contextmanager
    def streaming(self) -> Iterator[None]:
        """Count an event stream for as long as it is open."""
        self._streams.inc()
        try:
            yield
        finally:
            self._streams.dec()
