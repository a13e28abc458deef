"""The samples of a run as a page shows them: rates between samples, latencies, waits, and what each CPU did."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from server.schemas import Sample

CPU = re.compile(r"operations_cpu(\d+)")
WAIT = re.compile(r"wait_(\w+)_ns")
MOST_POINTS = 240  # beyond it a line has more points than px


@dataclass(frozen=True)
class Moment:
    """What came between two samples. Rates are per second, `waits` shares of the CPUs' time by cause."""

    seconds: float
    throughput_ops_s: float | None
    p50_ns: float | None
    p99_ns: float | None
    tick_sleeps: int | None
    cpu_rates: list[float] = field(default_factory=list)
    waits: dict[str, float] = field(default_factory=dict)


def moments(samples: Sequence[Sample]) -> list[Moment]:
    """One moment a sample, in order of time; the first counts from the opening of the gate."""
    found = []
    before: dict[str, float | int | None] = {}
    for sample in samples:
        if sample.figures.get("elapsed_ns") is not None:
            found.append(_moment(sample.figures, before))
            before = sample.figures
    return found


def thinned(told: Sequence[Moment]) -> list[Moment]:
    """At most MOST_POINTS of them, evenly, the last among them."""
    step = -(-len(told) // MOST_POINTS) or 1
    return list(told[::-1][::step])[::-1]


def _moment(now: dict[str, float | int | None], before: dict[str, float | int | None]) -> Moment:
    def since(name: str) -> float:
        return float(now.get(name) or 0) - float(before.get(name) or 0)

    span_s = since("elapsed_ns") / 1e9
    cpus = sorted(int(match[1]) for match in map(CPU.fullmatch, now) if match)
    waits = {match[1]: since(name) for name in now if (match := WAIT.fullmatch(name))}
    sleeps = now.get("tick_sleeps")
    return Moment(
        seconds=float(now["elapsed_ns"] or 0) / 1e9,
        throughput_ops_s=since("operations") / span_s if "operations" in now and span_s > 0 else None,
        p50_ns=now.get("p50_ns"),
        p99_ns=now.get("p99_ns"),
        tick_sleeps=None if sleeps is None else int(sleeps),
        cpu_rates=[since(f"operations_cpu{cpu}") / span_s if span_s > 0 else 0.0 for cpu in cpus],
        waits={cause: ns / 1e9 / span_s / max(len(cpus), 1) for cause, ns in waits.items() if ns > 0 and span_s > 0},
    )
