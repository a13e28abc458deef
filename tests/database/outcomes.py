"""Outcomes to fill a store with: complete ones, made through the models that a supervisor's are."""

from __future__ import annotations

from typing import Any

from server.load import LoadEntry, LoadTestCreate
from workers.outcome import Histogram, KnownBreach, Outcome, Status, Violation, Wait


def made_outcome(
    *, status: Status = "succeeded", scale: float = 1.0, violations: list[Violation] | None = None
) -> Outcome:
    """An outcome of 100000 swap-ins, whose latencies are 1, 2 and 8 us times `scale`."""
    lower = [round(ns * scale) for ns in (1_000, 2_000, 8_000)]
    counts = [60_000, 39_000, 1_000]
    upper = [ns * 5 // 4 for ns in lower]
    histogram = Histogram(
        lower_ns=lower,
        upper_ns=upper,
        counts=counts,
        total=sum(counts),
        sum_ns=sum(ns * count for ns, count in zip(lower, counts, strict=True)),
        max_ns=upper[-1] - 1,
    )
    return Outcome(
        status=status,
        reason_code="done" if status == "succeeded" else status,
        reason="The measured time is over." if status == "succeeded" else f"It {status}.",
        elapsed_ns=1_000_000_000,
        metrics={
            "p50_ns": lower[0] * 1.1,
            "p90_ns": lower[1] * 1.1,
            "p99_ns": float(lower[2]),
            "p999_ns": lower[2] * 1.1,
            "p9999_ns": None,
            "throughput_ops_s": 100_000 / scale,
            "operations": 100_000,
            "swap_ins": 100_000,
            "tick_sleeps": 7,
            "elapsed_ns": 1_000_000_000,
            "cpu_ns": 1_900_000_000,
        },
        waits={
            "tick_sleep": Wait(count=7, total_ns=28_000_000, max_ns=4_100_000),
            "cluster_lock": Wait(count=900, total_ns=180_000, max_ns=9_000),
        },
        events={"tick_sleeps": 7, "pswpin": 100_000},
        histograms={"swap_in": histogram, "fault": histogram},
        violations=violations or [],
        known=[known_breach()],
        laws_checked=["C1", "P1"],
        environment={"kernel": "6.1.0", "cpu_model": "a model", "host": "lab", "git_sha": None, "load_average": [0.1]},
        evidence={},
    )


def known_breach() -> KnownBreach:
    """A law that does not hold, as is known of the version."""
    return KnownBreach(law="Q6", sentence="A statistic.", detail="7, not 5", known="museum 38, cgroup v1: it is late")


def broken_law() -> Violation:
    """A violation of one law, seen twice."""
    return Violation(law="P1", sentence="A load sees the last store.", detail="page 3: version 4, not 5", count=2)


def made_load_test(scale: float = 1.0, failures: int = 0, **facts: Any) -> LoadTestCreate:
    """A load test of 1,000 GETs around 10 ms and as many swap-ins around 5 us, each times `scale`."""
    entries = [
        LoadEntry(
            kind=kind,
            name=name,
            requests=1_000,
            failures=failures,
            sum_ns=round(1_000 * middle_ns * scale),
            max_ns=round(2 * middle_ns * scale),
            buckets=[[round(middle_ns * scale * (1 + share / 100)), 50] for share in range(20)],
        )
        for kind, name, middle_ns in (("CPU", "swap-in", 5_000), ("GET", "/api/v1/runs", 10_000_000))
    ]
    given = {"users": 5, "cpu_users": 2, "spawn_rate": 10.0, "elapsed_ns": 10_000_000_000, **facts}
    return LoadTestCreate.model_validate({**given, "entries": entries})
