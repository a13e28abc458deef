"""Interleaved pairs: the two sides of a ratio run one after the other, many times, and the median of ratios counts.

A machine's speed drifts by tens of percent within seconds; between the two halves of one pair it drifts little.
"""

from __future__ import annotations

import json
import mmap
import os
import platform
import statistics
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import cycle


@dataclass(frozen=True)
class Row:
    """One line of the table. ratio is candidate / reference, or a gain where `more` is true; bar: what to reach."""

    what: str
    reference: float
    candidate: float
    unit: str
    ratio: float
    low: float
    high: float
    bar: float
    more: bool = False

    @property
    def reached(self) -> bool:
        return self.ratio >= self.bar if self.more else self.ratio <= self.bar


def interleaved(
    what: str,
    reference: Callable[[], float],
    candidate: Callable[[], float],
    *,
    pairs: int,
    unit: str,
    bar: float,
    gain: Callable[[float, float], float] | None = None,
) -> Row:
    """Runs `pairs` pairs in alternating order. gain(reference, candidate), if given, is the ratio: more is better."""
    left, right = [], []
    for number in range(pairs):
        if number % 2:
            right.append(candidate())
            left.append(reference())
        else:
            left.append(reference())
            right.append(candidate())
    relate = gain or (lambda one, other: other / one)
    ratios = sorted(relate(one, other) for one, other in zip(left, right, strict=True))
    tenth = len(ratios) // 10
    return Row(
        what,
        statistics.median(left),
        statistics.median(right),
        unit,
        statistics.median(ratios),
        ratios[tenth],
        ratios[-1 - tenth],
        bar,
        gain is not None,
    )


def core_cycle(processes: int, disjoint: bool, cycles: int, *, use_tsc: bool, lock_kind: int) -> dict[str, float]:
    """The cycle through the core in forked processes: mean wall and CPU time in ns per cycle of a process.

    Disjoint: each process has half of the clusters, one process alone too, so that both walk as much memory.
    """
    share = cycle.CLUSTERS // 2 if disjoint else cycle.CLUSTERS
    with mmap.mmap(-1, cycle.segment_bytes(processes, lock_kind)) as buffer:
        cycle.prepare(buffer, processes, lock_kind, use_tsc)
        reader, writer = os.pipe()
        children = []
        for cpu in range(processes):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    first = cpu * share if disjoint else 0
                    os.write(writer, json.dumps(cycle.run(buffer, cpu, first, share, cycles)).encode() + b"\n")
                    code = 0
                finally:
                    os._exit(code)
            children.append(child)
        os.close(writer)
        cycle.open_gate(buffer)
        with os.fdopen(reader) as lines:
            figures = [json.loads(line) for line in lines]
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        if any(codes) or cycle.damage(buffer):
            raise RuntimeError(
                f"the cycle through the core failed: exit codes {codes}, {cycle.damage(buffer)} slots damaged"
            )
    return {key: statistics.fmean(each[key] for each in figures) for key in ("wall_ns", "cpu_ns")}


def core_pair(iterations: int, lock_kind: int) -> float:
    """cpu.lock + cpu.unlock uncontended, ns of CPU per pair."""
    with mmap.mmap(-1, cycle.segment_bytes(1, lock_kind)) as buffer:
        cycle.prepare(buffer, 1, lock_kind, True)
        return cycle.pair(buffer, iterations)["cpu_ns"]


def circumstances(root: Path) -> dict[str, Any]:
    """What the figures depend on: machine, kernel, compiler, load. Numbers without it are not compared."""
    with open("/proc/cpuinfo") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    compiler = subprocess.run(["gcc", "--version"], capture_output=True, text=True).stdout.splitlines()[:1]
    commit = subprocess.run(["git", "-C", str(root), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "compiler": compiler[0] if compiler else "unknown",
        "load_average_1min": round(os.getloadavg()[0], 2),
        "commit": commit.stdout.strip() or "none",
    }
