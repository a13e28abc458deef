"""The claim by SWAP_HAS_CACHE: whoever loses it sleeps a tick, and whoever has it gives it back on every way out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shm.snapshot import Snapshot
from workers.executors.control import figures
from workers.executors.script import Machine, small_spec
from workers.workloads.script import Scripts

ENOMEM = -12
TRIES = 20  # of a collision of real CPUs on a loaded machine
Make = Callable[..., Machine]


@pytest.fixture
def machine(executor: str) -> Make:
    return lambda **other: Machine(small_spec("has_cache", executor, **other))


def claims(m: Machine) -> list[int]:
    """Slots whose bit is set without a folio in the cache, and CPUs that think they hold one."""
    with Snapshot(m.buf) as s:
        slots = [
            offset
            for offset in range(m.plan.geometry.slots)
            if (slot := s.slot(0, offset)).has_cache and slot.kind != "pfn"
        ]
        return slots + [cpu for cpu in range(m.plan.workers) if s.percpu(cpu).claimed is not None]


def test_a_bypass_leaves_no_cache_behind(machine: Make) -> None:
    m = machine()
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 4), ("pageout", 0, 0, 4), ("load", 0, 0, 4)]})
    with Snapshot(m.buf) as s:
        assert s.device(0).inuse_pages == 0
        assert all("swapcache" not in s.folio(pte.pfn).flags for pte in s.mm(0).ptes if pte.pfn)
    assert claims(m) == []


def test_a_shared_slot_goes_through_the_cache(machine: Make) -> None:
    m = machine(readahead_pages=1)
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0), ("pageout", 0, 0), ("fork", 0, 1), ("load", 1, 0)]})
    with Snapshot(m.buf) as s:
        pfn = s.mm(1).ptes[0].pfn
        assert pfn is not None
        assert "swapcache" in s.folio(pfn).flags


def test_a_failed_charge_ends_the_claim(machine: Make) -> None:
    m = machine()
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0), ("pageout", 0, 0)]})
    played = m.play_soundly({0: [("inject", "charge", 1_000_000), ("load", 0, 0), ("load", 0, 0)]})
    assert played.results == {0: [0, ENOMEM, ENOMEM]}
    assert played.events["tick_sleeps"] == 0  # the second one found no claim left
    assert claims(m) == []
    assert m.play_soundly({1: [("inject", "charge", 0), ("load", 0, 0)]}).results == {1: [0, 0]}


def test_no_folio_ends_the_claim(machine: Make) -> None:
    """15 slots and 16 folios, all in use: a swap-in finds no folio and nothing to reclaim."""
    m = machine(folios=16, slots=16, memcg={"limit_pages": 64})
    m.play_soundly({0: [("mm_init", mm) for mm in range(4)]})
    m.play_soundly({0: [("store", mm, 0, 8) for mm in range(4)]})
    with Snapshot(m.buf) as s:
        swapped = [(mm, pte.page) for mm in range(4) for pte in s.mm(mm).ptes if pte.entry]
    played = m.play_soundly({1: [("load", mm, page) for mm, page in swapped]})
    assert ENOMEM in played.results[1]
    assert claims(m) == []


def test_a_raced_pte_ends_the_claim(machine: Make, executor: str, schedules: int) -> None:
    """Pages vanish while they are read: the fault finds another PTE, gives back what it read, and starts anew."""
    m = machine(device={"kind": "zram", "read_ns": 100_000, "write_ns": 0})
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 4), ("pageout", 0, 0, 4)]})
    played = m.play({0: [("load", 0, 0, 4)], 1: [("dontneed", 0, 0, 4)], 2: [("load", 0, 0, 4)]}, schedules)
    assert all(each.sound for each in played), played[-1].told()
    assert claims(m) == []
    if executor == "cooperative":
        assert sum(each.events["refault_raced"] for each in played) > 0


def test_whoever_finds_the_claim_sleeps_a_tick(machine: Make) -> None:
    """A second CPU faults while the first one reads for five ticks."""
    m = machine(hz=1000, device={"kind": "zram", "read_ns": 5_000_000, "write_ns": 0})
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0), ("pageout", 0, 0)]})
    before = figures(m.buf, m.plan)["waits"]["tick_sleep"]["total_ns"]
    sleeps = 0
    for _ in range(TRIES):
        played = m.play_soundly({0: [("load", 0, 0)], 1: [("load", 0, 0)]})
        assert played.results == {0: [0], 1: [0]}
        sleeps += played.events["tick_sleeps"]
        if sleeps:
            break
        m.play_soundly({0: [("pageout", 0, 0)]})
    assert sleeps > 0
    slept_ns = figures(m.buf, m.plan)["waits"]["tick_sleep"]["total_ns"] - before
    assert slept_ns >= sleeps * 1_000_000


def test_readahead_sleeps_for_a_claim_too(executor: str) -> None:
    """On a disk: between claim and insertion lies the charge, which reclaims."""
    m = Machine(
        small_spec(
            "has_cache",
            executor,
            device={"kind": "disk", "read_ns": 2_000, "write_ns": 2_000},
            memcg={"limit_pages": 6},
        )
    )
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 8), ("fork", 0, 1)]})
    race: Scripts = {0: [("load", 0, 0, 8)], 1: [("load", 1, 0, 8)], 2: [("load", 0, 0, 8)]}
    played = m.play(race, 300 if executor == "cooperative" else 3)
    assert all(each.sound for each in played), played[-1].told()
    if executor == "cooperative":
        assert sum(each.events["tick_sleeps"] for each in played) > 0
        assert sum(each.events["swapcache_eexist"] for each in played) > 0
