"""What a living run says of itself once a second: how far it is, how long a swap-in takes now, where time goes.

The CPUs go on while their counters are read, so the figures of one moment may be some operations apart. They are for
the eye; a measurement is what is read at rest.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from typing import Any

from workers.executors.core import Core
from workers.stats import quantile_ns

SWAP_IN = "swap_in"
LIVE_QUANTILES = {"p50_ns": 0.50, "p99_ns": 0.99}


def since(now: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
    """The histogram of what has come between two readings of one histogram; its maximum is that of all."""
    if before is None:
        return dict(now)
    seen = dict(zip(before["lower_ns"], before["counts"], strict=True))
    buckets = [
        (lower, upper, count - seen.get(lower, 0))
        for lower, upper, count in zip(now["lower_ns"], now["upper_ns"], now["counts"], strict=True)
        if count > seen.get(lower, 0)
    ]
    return {
        "lower_ns": [lower for lower, _, _ in buckets],
        "upper_ns": [upper for _, upper, _ in buckets],
        "counts": [count for _, _, count in buckets],
        "total": sum(count for _, _, count in buckets),
        "max_ns": now["max_ns"],
    }


class Living:
    """Reads the counters of a run of real processes; each call tells of the time since the one before."""

    def __init__(self, core: Core, buf: mmap.mmap, plan: Any) -> None:
        self._core = core
        self._buf = buf
        self._plan = plan
        self._swap_ins: Mapping[str, Any] | None = None

    def sample(self) -> dict[str, Any]:
        """Operations, swap-ins and tick sleeps so far, and operations by CPU; p50_ns and p99_ns of the swap-ins since
        the sample before, None where too few lie beyond; `wait_CAUSE_ns`, the time waited so far, by cause."""
        told = dict(self._core.progress(self._buf))
        figures = self._core.figures(self._buf, self._plan)
        swap_ins = figures["histograms"].get(SWAP_IN)
        if swap_ins is not None:
            recent = since(swap_ins, self._swap_ins)
            told.update({name: quantile_ns(recent, q) for name, q in LIVE_QUANTILES.items()})
            self._swap_ins = swap_ins
        told.update({f"wait_{cause}_ns": wait["total_ns"] for cause, wait in figures["waits"].items()})
        return told
