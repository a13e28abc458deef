"""Runs made of known latencies, for the tests of the comparison and of its report."""

from __future__ import annotations

from typing import Any

import numpy as np

from server.compare import RunFigures
from workers.outcome import Histogram, Wait

ENVIRONMENT = {
    "host": "lab",
    "cpu_model": "Test CPU",
    "cores": 4,
    "kernel": "6.1.0",
    "build": {"flags": "-O2", "compiler": "gcc 12.2.0"},
    "clock_source": "tsc",
}
CONFIG = {"scenario": "thread_fault", "cpus": 4, "hz": 250, "device": {"kind": "zram", "read_ns": 5000}}


def histogram(latencies_ns: Any) -> Histogram:
    """Log-linear buckets, 32 a power of two, empty ones left out: the shape that a run leaves behind."""
    values = np.asarray(latencies_ns, dtype=np.int64)
    exponent = np.maximum(np.floor(np.log2(np.maximum(values, 1))).astype(np.int64) - 5, 0)
    lower = (values >> exponent) << exponent
    bounds, where, counts = np.unique(lower, return_index=True, return_counts=True)
    widths = np.left_shift(1, exponent[where])
    return Histogram(
        lower_ns=bounds.tolist(),
        upper_ns=(bounds + widths).tolist(),
        counts=counts.tolist(),
        total=len(values),
        sum_ns=int(values.sum()),
        max_ns=int(values.max()) if len(values) else 0,
    )


def run(
    index: int,
    *,
    protocol: str = "swap_cache",
    latencies_ns: Any = None,
    throughput_ops_s: float = 1e6,
    tick_sleeps: int = 0,
    **changes: Any,
) -> RunFigures:
    """Run `index` of an arm: block and seed follow from it; `changes` replace fields of the model."""
    if latencies_ns is None:
        latencies_ns = np.linspace(5_000, 20_000, 20_000)
    fields: dict[str, Any] = {
        "run_id": f"{protocol}-{index}",
        "block": index,
        "seed": 100 + index,
        "config": {**CONFIG, "protocol": protocol, "seed": 100 + index},
        "environment": ENVIRONMENT,
        "valid": True,
        "metrics": {"throughput_ops_s": throughput_ops_s, "tick_sleeps": tick_sleeps},
        "waits": {"device": Wait(count=10, total_ns=50_000, max_ns=9_000)},
        "histograms": {"swap_in": histogram(latencies_ns)},
    }
    return RunFigures(**{**fields, **changes})
