"""A core that does on demand what the compiled one must never do: hang, crash, raise, return a fault, break a law.

It runs in real processes over a real segment. The behaviour is asked for by the protocol's name in the spec, so that it
passes through the supervisor like any other run. Run as a program, this file is a supervisor over this core.
"""

from __future__ import annotations

import mmap
import os
import signal
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from shm.segment import HEADER_BYTES
from workers.spec import RunSpec

WORD = struct.Struct("<Q")
STOP = HEADER_BYTES  # then one word a CPU, each on a cache line of its own
PREPARED = HEADER_BYTES + 16
LINE_BYTES = 64
SENTENCE = "what is broken on demand is reported"


@dataclass
class Plan:
    size: int
    workers: int


def plan(spec: RunSpec) -> Plan:
    if spec.protocol == "unknown":
        raise ValueError("there is no protocol 'unknown'")
    size = 1 << 50 if spec.protocol == "immense" else 2 * HEADER_BYTES + LINE_BYTES * 80
    return Plan(size, spec.cpus + (spec.device.kind == "disk"))


def format(buf: mmap.mmap, plan: Plan, spec: RunSpec) -> None:
    if spec.protocol == "format_crashes":
        os.kill(os.getpid(), signal.SIGSEGV)
    if spec.protocol == "format_hangs":
        signal.pause()
    if spec.protocol == "format_raises":
        raise MemoryError("no folio left to format")
    WORD.pack_into(buf, STOP, 0)
    WORD.pack_into(buf, HEADER_BYTES + 8, plan.workers)


def line(cpu: int) -> int:
    return HEADER_BYTES + LINE_BYTES * (cpu + 1)


class Program:
    """Counts its operations until it is stopped, and misbehaves as the last CPU of the spec, if it is to."""

    def __init__(self, buf: mmap.mmap, spec: RunSpec, cpu: int) -> None:
        self.buf, self.cpu = buf, cpu
        self.is_device = cpu >= spec.cpus
        self.name = spec.protocol if cpu == spec.cpus - 1 else "steady"
        self.limit = 1000 if spec.protocol == "finishes" and cpu < spec.cpus else None
        if self.name == "construction_raises":
            raise RuntimeError("no program for this CPU")
        if self.name == "dies_before_gate":
            os.kill(os.getpid(), signal.SIGSEGV)

    def prepare(self) -> None:
        assert self.cpu == 0
        WORD.pack_into(self.buf, PREPARED, 1)

    def run(self) -> int:
        assert self.is_device or WORD.unpack_from(self.buf, PREPARED)[0]
        if self.name == "raises":
            raise RuntimeError("an operation that is not there")
        if self.name == "crashes":
            os.kill(os.getpid(), signal.SIGSEGV)
        if self.name == "exits":
            os._exit(0)
        operations = 0
        while self.name.startswith("stuck") or not WORD.unpack_from(self.buf, STOP)[0]:
            operations += 1
            WORD.pack_into(self.buf, line(self.cpu), operations)
            if operations == self.limit or (operations == 1000 and self.name == "fault"):
                break
        return 7 if self.name == "fault" else 0


def set_stop(buf: mmap.mmap) -> None:
    WORD.pack_into(buf, STOP, 1)


def progress(buf: mmap.mmap) -> dict[str, Any]:
    workers = WORD.unpack_from(buf, HEADER_BYTES + 8)[0]
    by_cpu = [WORD.unpack_from(buf, line(cpu))[0] for cpu in range(workers)]
    return {"operations": sum(by_cpu), "swap_ins": 0, "operations_by_cpu": by_cpu}


def figures(buf: mmap.mmap, plan: Plan) -> dict[str, Any]:
    return shaped(progress(buf)["operations"])


def shaped(operations: int) -> dict[str, Any]:
    return {
        "events": {"tick_sleeps": 3},
        "waits": {"tick_sleep": {"count": 3, "total_ns": 12_000_000, "max_ns": 4_100_000}},
        "histograms": {
            "swap_in": {
                "lower_ns": [1000, 4_000_000],
                "upper_ns": [2000, 4_100_000],
                "counts": [997, 3],
                "total": 1000,
                "sum_ns": 13_500_000,
                "max_ns": 4_050_000,
            }
        },
        "operations": operations,
        "swap_ins": 1000,
    }


def check_laws(buf: mmap.mmap, plan: Plan, spec: RunSpec) -> list[dict[str, Any]]:
    if spec.protocol == "laws_crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if spec.protocol == "laws_hang":
        signal.pause()
    if spec.protocol == "violates":
        return [{"law": "C1", "sentence": SENTENCE, "detail": "slot 3 is held twice", "count": 2}]
    return []


def check_warned(buf: mmap.mmap, plan: Plan, spec: RunSpec) -> list[dict[str, Any]]:
    if spec.protocol in ("stuck_after_warnings", "steady_warns"):
        return [{"law": "T3", "sentence": SENTENCE, "detail": "slot 3 is cached over", "count": 5}]
    return []


def check_known(buf: mmap.mmap, plan: Plan, spec: RunSpec) -> list[dict[str, Any]]:
    if spec.protocol == "known":
        return [{"law": "Q6", "sentence": SENTENCE, "detail": "7, not 5", "count": 1, "known": "museum 27: as it is"}]
    return []


def laws_for(spec: RunSpec) -> list[str]:
    return ["C1", "C2"]


def explore(
    spec: RunSpec, should_stop: Callable[[], bool], on_progress: Callable[[dict[str, int]], None]
) -> dict[str, Any]:
    if spec.protocol == "crashes":
        os.kill(os.getpid(), signal.SIGSEGV)
    if spec.protocol == "stuck":
        on_progress({"schedules": 1})
        signal.pause()
    violations = []
    if spec.protocol == "violates":
        violations = [{"law": "C1", "sentence": SENTENCE, "detail": "slot 3", "count": 1, "schedule": "0001"}]
    schedules = 0
    while spec.protocol == "steady" and not should_stop():
        schedules += 1
        if schedules == 1:
            on_progress({"schedules": schedules})
    return {**shaped(schedules), "violations": violations}


if __name__ == "__main__":
    from workers.executors.core import Core
    from workers.supervisor import main

    deadline_seconds = float(sys.argv[1]) if len(sys.argv) > 1 else None
    sys.exit(main(deadline_seconds, core=cast(Core, sys.modules["__main__"]), explore=explore))
