"""What the laws say of the protocols at work: CPUs as threads of this process over one segment, then all at rest."""

from __future__ import annotations

import mmap
import select
import threading
from typing import Any

import pytest

from shm.segment import pack_header
from shm.snapshot import Snapshot
from workers.executors.core import CompiledCore
from workers.invariants.registry import LAWS
from workers.spec import RunSpec

SWAP_INS = 8_000
ATTEMPTS = 8
LOOK_EVERY_MS = 5


def swap_ins(buf: mmap.mmap, cpus: int) -> int:
    """Swap-ins of all CPUs since their preparation."""
    with Snapshot(buf) as snapshot:
        return sum(snapshot.percpu(cpu).events["swap_ins"] for cpu in range(cpus))


def findings(spec: RunSpec, at_least: int) -> list[dict[str, Any]]:
    """Run until there were that many swap-ins, stop, and look at what is left."""
    core = CompiledCore()
    made = core.plan(spec)
    with mmap.mmap(-1, made.size) as buf:
        header = pack_header(made.size)
        buf[: len(header)] = header
        core.format(buf, made, spec)
        assert core.check_laws(buf, made, spec) == []
        cpus = [core.Program(buf, spec, cpu) for cpu in range(made.workers)]
        threads = [threading.Thread(target=cpu.run) for cpu in cpus]
        for disk in threads[spec.cpus :]:
            disk.start()
        cpus[0].prepare()
        for thread in threads[: spec.cpus]:
            thread.start()
        try:
            while swap_ins(buf, made.workers) < at_least:
                select.poll().poll(LOOK_EVERY_MS)
        finally:
            core.set_stop(buf)
            for thread in threads:
                thread.join()
            del cpus  # they hold the mapping open
        return core.check_laws(buf, made, spec)


def test_the_null_protocol_breaks_laws() -> None:
    """Nobody claims a slot: sooner or later two CPUs put a folio each in one word."""
    broken: set[str] = set()
    for seed in range(ATTEMPTS):
        spec = RunSpec(protocol="unsynchronized", scenario="thread_fault", cpus=4, seed=seed)
        broken |= {finding["law"] for finding in findings(spec, SWAP_INS)}
        if "C13" in broken:
            break
    assert "C13" in broken
    assert broken <= set(LAWS)


@pytest.mark.parametrize("protocol", ["has_cache", "swap_cache"])
@pytest.mark.parametrize(
    "work",
    [
        {"scenario": "thread_fault"},
        {"scenario": "fork_fault", "memcg": {"version": 1}},
        {
            "scenario": "mix",
            "mix": {"load": 30, "store": 40, "pageout": 10, "dontneed": 2, "reclaim": 5, "fork": 2, "exit": 2},
            "device": {"kind": "disk"},
            "memcg": {"version": 1, "limit_pages": 200},
            "inject": {"charge": 1000},
            "lockdep": True,
        },
    ],
)
def test_sound_protocols_keep_all_laws(protocol: str, work: dict[str, Any]) -> None:
    assert findings(RunSpec(protocol=protocol, cpus=3, **work), SWAP_INS // 4) == []
