"""Two sets of load tests compared over one kind of request.

Each load test counts as a run: the method, the verdicts and the refusal of what is unlike are those of runs
(server.compare). numpy and scipy come along with it, so it is imported when a comparison is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.load import LoadComparison, LoadEntry
from server.store import NotFoundError, Store
from workers.outcome import Histogram

if TYPE_CHECKING:
    from server.compare import Comparison, RunFigures


def compare_load_tests(store: Store, asked: LoadComparison) -> Comparison:
    """Compare two sets of load tests. Raises NotFoundError for one that is not there, or has no such entry."""
    from server.compare import compare_runs

    sides = [[_figures_of(store, test_id, asked) for test_id in ids] for ids in (asked.baseline, asked.candidate)]
    return compare_runs(*sides)


def _figures_of(store: Store, test_id: int, asked: LoadComparison) -> RunFigures:
    """A load test as a comparison takes a run: its requests of that kind stand where swap-ins do."""
    from server.compare import RunFigures

    test = store.get_load_test(test_id)
    entry = next((each for each in test.entries if (each.kind, each.name) == (asked.kind, asked.name)), None)
    if entry is None:
        raise NotFoundError("entry", f"{asked.kind} {asked.name!r} of load test {test_id}")
    facts = test.model_dump(mode="json", include={"shape", "users", "cpu_users", "cpu_mode", "spawn_rate", "workers"})
    config: dict[str, Any] = {**facts, "protocol": test.protocol, "request": f"{entry.kind} {entry.name}"}
    return RunFigures(
        run_id=test.id,
        block=None,
        seed=0,
        config=config,
        environment=dict(test.environment),
        valid=entry.failures == 0,
        invalid_reason=f"{entry.failures} of {entry.requests} requests failed" if entry.failures else None,
        metrics={"throughput_ops_s": entry.requests_s},
        waits={},
        histograms={"swap_in": _histogram(entry)},
    )


def _histogram(entry: LoadEntry) -> Histogram:
    latencies = [latency_ns for latency_ns, _ in entry.buckets]
    return Histogram(
        lower_ns=latencies,
        upper_ns=[latency_ns + 1 for latency_ns in latencies],
        counts=[count for _, count in entry.buckets],
        total=sum(count for _, count in entry.buckets),
        sum_ns=entry.sum_ns,
        max_ns=entry.max_ns,
    )
