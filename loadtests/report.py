"""What Locust has measured, as a load test that the service keeps."""

from __future__ import annotations

import os
import platform
from typing import Any

from locust.env import Environment
from locust.runners import MasterRunner
from locust.stats import RequestStats

from loadtests.options import options_of
from loadtests.service import ServiceClient, ServiceError

NS_PER_MS, NS_PER_US = 1_000_000, 1_000
MAX_ERRORS = 100
UNIT = " [us]"  # behind the names of CPU entries


def load_test(environment: Environment, users: int) -> dict[str, Any] | None:
    """The body of POST /load-tests; None when nothing was asked. `users`: the most API users that there were."""
    options, stats = options_of(environment), environment.stats
    if not stats.entries or stats.total.last_request_timestamp is None:
        return None
    elapsed_seconds = max(1e-3, stats.total.last_request_timestamp - stats.total.start_time)
    entries = [entry_told(kind, name, entry) for (name, kind), entry in sorted(stats.entries.items())]
    runner = environment.runner
    return {
        "name": options.test_name,
        "shape": options.load_shape,
        "users": users,
        "cpu_users": options.cpu_users,
        "cpu_mode": cpu_mode(entries) if options.cpu_users else "none",
        "spawn_rate": float(options.spawn_rate or 1),
        "workers": runner.worker_count if isinstance(runner, MasterRunner) else 0,
        "elapsed_ns": round(elapsed_seconds * 1e9),
        "run_id": options.drive_run or None,
        "environment": surroundings(),
        "entries": entries,
        "errors": errors_told(stats),
    }


def entry_told(kind: str, name: str, entry: Any) -> dict[str, Any]:
    """A row of Locust's statistics in ns. Its latencies are kept as Locust counts them: two significant digits."""
    unit = NS_PER_US if kind == "CPU" else NS_PER_MS
    buckets: dict[int, int] = {}
    for latency, times in entry.response_times.items():
        buckets[round(latency * unit)] = buckets.get(round(latency * unit), 0) + times
    return {
        "kind": kind,
        "name": name.removesuffix(UNIT),
        "requests": entry.num_requests,
        "failures": entry.num_failures,
        "sum_ns": round(entry.total_response_time * unit),
        "max_ns": round(entry.max_response_time * unit),
        "buckets": [[latency_ns, times] for latency_ns, times in sorted(buckets.items())],
    }


def errors_told(stats: RequestStats) -> list[dict[str, Any]]:
    """Requests that failed, by how."""
    return [
        {
            "kind": each.method,
            "name": each.name.removesuffix(UNIT),
            "error": str(each.error)[:1000],
            "times": each.occurrences,
        }
        for each in list(stats.errors.values())[:100]
    ]


def cpu_mode(entries: list[dict[str, Any]]) -> str:
    """How the CPU users have reached their CPUs, as far as the entries tell."""
    batches = sum(e["requests"] for e in entries if e["kind"] == "POST" and e["name"].endswith("/operations"))
    swap_ins = sum(e["requests"] for e in entries if e["kind"] == "CPU")
    if not batches:
        return "attached"
    return "http" if batches * 5 >= swap_ins / 50 else "mixed"


def surroundings() -> dict[str, Any]:
    """The machine that the load came from: load tests of unlike machines are not compared."""
    return {
        "host": platform.node(),
        "machine": platform.machine(),
        "kernel": platform.release(),
        "cores": os.cpu_count(),
        "cores_usable": len(os.sched_getaffinity(0)),
    }


def keep(service: ServiceClient, test: dict[str, Any]) -> str:
    """Have the service keep it; where it is, or why not, as a sentence."""
    try:
        kept = service.ask("POST", "/load-tests", json=test)
    except ServiceError as error:
        return f"the load test was not kept: {error}"
    return f"load test {kept['id']} is kept: /api/v1/load-tests/{kept['id']}"
