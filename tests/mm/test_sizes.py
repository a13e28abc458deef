"""Beyond one of each: several page tables of an mm, several address spaces of a device, many CPUs."""

from __future__ import annotations

from collections.abc import Callable

from shm.snapshot import Snapshot
from workers.executors.script import Machine
from workers.workloads.script import Scripts

AT_ONCE = {"kind": "zram", "read_ns": 0, "write_ns": 0}
Make = Callable[..., Machine]


def test_an_mm_of_several_page_tables(machine: Make) -> None:
    """512 PTEs share a lock: ranges that end, begin and lie across their borders."""
    m = machine(pages=1_100, folios=4_000, slots=4_096, memcg={"limit_pages": 3_500}, device=AT_ONCE)
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 1_100), ("pageout", 0, 500, 1_030), ("fork", 0, 1)]})
    race: Scripts = {
        0: [("dontneed", 0, 505, 520), ("dontneed", 0, 1_024, 1_100), ("load", 0, 0, 1_100)],
        1: [("store", 1, 511, 513), ("load", 1, 1_000, 1_050)],
        2: [("fork", 0, 2), ("exit", 2)],
    }
    assert m.play_soundly(race).results == {0: [0, 0, 0], 1: [0, 0], 2: [0, 0]}
    with Snapshot(m.buf) as s:
        assert len(s.mm(0).ptes) == len(s.mm(1).ptes) == 1_100
    m.play_soundly({0: [("swapoff",), ("swapon",)]})
    m.play_soundly({0: [("exit", 0)], 1: [("exit", 1)]})


def test_a_device_of_several_address_spaces(machine: Make) -> None:
    """Up to 6.17 a lock guards the cache of 16384 slots: this device has three such."""
    m = machine(
        pages=17_000, folios=17_100, slots=34_816, cluster_slots=512, memcg={"limit_pages": 17_050}, device=AT_ONCE
    )
    played = m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 17_000), ("pageout", 0, 0, 17_000)]})
    assert played.results == {0: [0, 0, 17_000]}
    with Snapshot(m.buf) as s:
        offsets = [pte.entry.offset for pte in s.mm(0).ptes if pte.entry]
        assert min(offsets) < 16_384 < max(offsets)
    assert m.play_soundly({1: [("load", 0, 0, 17_000), ("exit", 0)]}).results == {1: [0, 0]}


def test_eight_cpus_on_the_same_pages(machine: Make, schedules: int) -> None:
    m = machine(cpus=8, mms=8, memcg={"limit_pages": 12})
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 8), ("fork", 0, 1), ("store", 1, 0, 4)]})
    race: Scripts = {
        0: [("store", 0, 0, 8)],
        1: [("load", 1, 0, 8)],
        2: [("load", 0, 0, 8)],
        3: [("pageout", 0, 0, 8), ("pageout", 1, 0, 8)],
        4: [("fork", 1, 2), ("exit", 2)],
        5: [("dontneed", 1, 4, 6)],
        6: [("swapoff",), ("swapon",)],
        7: [("reclaim", 8), ("load", 1, 2, 5)],
    }
    m.play_soundly(race, schedules // 4 + 1)
