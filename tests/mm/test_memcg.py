"""What is charged to whom: memory and swap (v2), memory and memory with swap (v1), and what a failed charge leaves."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from shm.records import Memcg
from shm.snapshot import Snapshot
from workers.executors.script import Machine
from workers.workloads.script import Scripts

ENOMEM = -12
ALL = 1_000_000  # ppm
DISK = {"kind": "disk", "read_ns": 3_000, "write_ns": 3_000}
Make = Callable[..., Machine]


def counters(m: Machine) -> Memcg:
    with Snapshot(m.buf) as s:
        return s.memcg(1)


def world(m: Machine) -> tuple[object, ...]:
    """All that a failed operation must leave as it was. Not the shadows: an insertion that is undone forgets them."""
    with Snapshot(m.buf) as s:
        slots = [s.slot(0, offset) for offset in range(m.plan.geometry.slots)]
        return s.mm(0), s.mm(1), sorted(s.free_folios()), [(slot.byte, slot.memcg, slot.handle) for slot in slots]


@pytest.mark.parametrize(("version", "swap", "memsw"), [(1, 0, 8), (2, 3, 0)])
def test_swap_out_moves_the_charge(machine: Make, version: int, swap: int, memsw: int) -> None:
    m = machine(memcg={"version": version, "limit_pages": 48})
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 8), ("pageout", 0, 0, 3)]})
    out = counters(m)
    assert (out.memory, out.swap, out.memsw, out.nr_swap, out.id_refs) == (5, swap, memsw, 3, 4)
    m.play_soundly({0: [("load", 0, 0, 8), ("exit", 0)]})
    cached = counters(m).memory
    assert (counters(m).swap, counters(m).memsw) == ((0, cached) if version == 1 else (cached, 0))


@pytest.mark.parametrize("version", [1, 2])
def test_dontneed_gives_the_charge_of_a_slot_back(machine: Make, version: int) -> None:
    m = machine(memcg={"version": version, "limit_pages": 48})
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 8), ("pageout", 0, 0, 8), ("dontneed", 0, 0, 8)]})
    left = counters(m)
    assert (left.memory, left.swap, left.memsw, left.nr_swap, left.id_refs) == (0, 0, 0, 0, 1)


def test_swap_max_of_v2_keeps_pages_in_memory(machine: Make) -> None:
    m = machine(memcg={"version": 2, "limit_pages": 48, "swap_limit_pages": 2})
    played = m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 8), ("pageout", 0, 0, 8)]})
    assert played.results == {0: [0, 0, 2]}
    assert (counters(m).memory, counters(m).swap) == (6, 2)
    with Snapshot(m.buf) as s:
        assert s.device(0).inuse_pages == 2


def test_memsw_of_v1_limits_memory_and_swap_together(machine: Make) -> None:
    m = machine(memcg={"version": 1, "limit_pages": 6, "swap_limit_pages": 4})
    played = m.play_soundly({0: [("mm_init", 0), ("mm_init", 1), ("store", 0, 0, 8), ("store", 1, 0, 8)]})
    assert played.results == {0: [0, 0, 0, ENOMEM]}
    assert counters(m).memsw <= 10
    assert m.play_soundly({0: [("exit", 1), ("load", 0, 0, 8)]}).results == {0: [0, 0]}


@pytest.mark.parametrize("version", [1, 2])
def test_counters_stay_whole_while_all_fault_and_reclaim(machine: Make, schedules: int, version: int) -> None:
    m = machine(memcg={"version": version, "limit_pages": 6})
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 6), ("fork", 0, 1), ("store", 1, 0, 3)]})
    race: Scripts = {
        0: [("store", 0, 0, 6), ("pageout", 0, 0, 6)],
        1: [("load", 1, 0, 6), ("dontneed", 1, 3, 5)],
        2: [("reclaim", 8), ("load", 0, 2, 5), ("exit", 1)],
    }
    m.play_soundly(race, schedules)


@pytest.mark.parametrize("device", ["zram", "disk"])
@pytest.mark.parametrize("version", [1, 2])
def test_a_failed_charge_leaves_nothing(machine: Make, version: int, device: str) -> None:
    """At each place where a page is charged: zero fill, copy on write, swap-in, and swap-in for swapoff."""
    kind = DISK if device == "disk" else {"kind": "zram", "read_ns": 0, "write_ns": 0}
    m = machine(memcg={"version": version, "limit_pages": 48}, device=kind, readahead_pages=1)
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 6), ("pageout", 0, 0, 3), ("fork", 0, 1)]})
    if device == "disk":  # writeback first, then the folios are clean and go
        m.play_soundly({0: [("reclaim", 8)]})
        m.play_soundly({0: [("reclaim", 8)]})
        m.play_soundly({0: [("load", 0, 4, 6), ("load", 1, 4, 6)]})
    before, world_before = counters(m), world(m)
    steps = [("fail_charges", ALL), ("store", 0, 7), ("store", 1, 4), ("load", 0, 0), ("store", 1, 1), ("swapoff",)]
    played = m.play_soundly({1: steps})
    assert played.results == {1: [0, ENOMEM, ENOMEM, ENOMEM, ENOMEM, ENOMEM]}
    assert counters(m) == before
    assert world(m) == world_before
    with Snapshot(m.buf) as s:
        assert all(s.percpu(cpu).claimed is None for cpu in range(m.plan.workers))
    after = m.play_soundly({2: [("fail_charges", 0), ("load", 0, 0, 8), ("store", 1, 0, 8), ("swapoff",)]})
    assert after.results == {2: [0, 0, 0, 0]}


@pytest.mark.parametrize("ppm", [20_000, 300_000])
@pytest.mark.parametrize("device", ["zram", "disk"])
def test_charges_fail_now_and_then(machine: Make, schedules: int, device: str, ppm: int) -> None:
    kind = DISK if device == "disk" else {"kind": "zram"}
    m = machine(device=kind)
    m.play_soundly(
        {0: [("mm_init", 0), ("store", 0, 0, 6), ("pageout", 0, 0, 6), ("fork", 0, 1), ("fail_charges", ppm)]}
    )
    dice = random.Random(ppm)
    race: Scripts = {
        cpu: [
            (dice.choice(["load", "store"]), dice.randrange(2), page, page + 1)
            for page in (dice.randrange(6) for _ in range(10))
        ]
        + [("pageout", 0, 0, 6)] * (cpu == 1)
        for cpu in range(3)
    }
    played = m.play_soundly(race, schedules // 2 + 1)
    assert {r for results in played.results.values() for r in results[:10]} <= {0, ENOMEM}
    healed = m.play_soundly({0: [("fail_charges", 0), ("load", 0, 0, 6), ("load", 1, 0, 6)]})
    assert healed.results == {0: [0, 0, 0]}
