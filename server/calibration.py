"""The noise floor of a machine: what an A/A comparison finds where there is nothing to find."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from server.compare import Comparison

BUSY_SHARE = 0.25  # of the CPUs, by the load average of others before the first run
STOLEN_SHARE = 0.01  # of the CPUs' time, taken by the hypervisor during the runs


class Floor(BaseModel):
    """Of one metric: the largest change that the interval of the A/A comparison holds, and the spread of the runs.

    Both are ratios; None where the comparison could tell nothing, and `reason` then says why.
    """

    model_config = ConfigDict(extra="forbid")

    noise: float | None
    spread: float | None
    reason: str | None


class NoiseFloor(BaseModel):
    """What `swaprace calibrate` keeps with the host. `warnings` are reasons why it may be quieter another time."""

    model_config = ConfigDict(extra="forbid")

    protocol: str
    scenario: str
    cpus: int
    seconds: float
    trials: int
    comparison: int
    metrics: dict[str, Floor]
    warnings: list[str]


def floors_of(comparison: Comparison) -> dict[str, Floor]:
    """The floor of each metric of an A/A comparison: a change that is smaller cannot be told from none."""
    floors = {}
    for name, metric in comparison.metrics.items():
        noise = None if metric.ci is None else max(abs(metric.ci[0]), abs(metric.ci[1]))
        spreads = [each for each in (metric.baseline_spread, metric.candidate_spread) if each is not None]
        reason = metric.reason or "too few trials for an interval" if noise is None else None
        floors[name] = Floor(noise=noise, spread=max(spreads, default=None), reason=reason)
    return floors


def stolen_ticks(stat: str) -> tuple[int, int]:
    """Time that the hypervisor has taken, and all time, of all CPUs, in clock ticks, from /proc/stat (proc(5))."""
    ticks = [int(field) for field in stat.splitlines()[0].split()[1:]]
    return ticks[7] if len(ticks) > 7 else 0, sum(ticks[:8])


class Machine:
    """This machine before and after the runs of a calibration."""

    def __init__(self) -> None:
        self._load = os.getloadavg()[0]
        self._stolen = stolen_ticks(_read("/proc/stat"))

    def warnings(self, cpus: int) -> list[str]:
        """What made, or may have made, noise since: `cpus` is what a run took."""
        cores = len(os.sched_getaffinity(0))
        found = []
        if self._load > BUSY_SHARE * cores:
            found.append(f"others kept {self._load:.1f} of {cores} CPUs busy before the first run")
        if cpus > cores:
            found.append(f"a run has {cpus} CPUs and this process may use {cores}: they take turns")
        governor = _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip()
        if governor not in ("", "performance"):
            found.append(f"the governor is {governor}, which changes the frequency; performance does not")
        stolen, passed = (now - then for now, then in zip(stolen_ticks(_read("/proc/stat")), self._stolen, strict=True))
        if passed and stolen / passed > STOLEN_SHARE:
            found.append(f"the hypervisor took {stolen / passed:.1%} of the time".replace("%", " %"))
        return found


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
