"""munmap and mmap: what they take, what no longer works there, and who goes on beside them."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from shm.snapshot import Snapshot
from workers.executors.script import Machine, small_spec
from workers.races import RACES, SMALL
from workers.schedulers.pct import PCT
from workers.workloads.script import Scripts

PAGES = 8
STORED = [("mm_init", 0), ("store", 0, 0, PAGES)]
OUT = ("pageout", 0, 0, PAGES)
Make = Callable[..., Machine]


def unmapped(m: Machine, mm: int = 0) -> list[int]:
    with Snapshot(m.buf) as s:
        return s.mm(mm).unmapped


def test_munmap_gives_memory_and_slots_back(machine: Make) -> None:
    m = machine()
    played = m.play_soundly({0: [*STORED, ("pageout", 0, 0, 4), ("munmap", 0, 2, 6)]})
    assert (played.results[0][-1], played.events["munmaps"]) == (0, 1)
    with Snapshot(m.buf) as s:
        assert [pte.page for pte in s.mm(0).ptes] == [0, 1, 6, 7]
        assert s.mm(0).mmap_lock == 0
        assert (s.memcg(1).memory, s.device(0).inuse_pages) == (2, 2)
    assert unmapped(m) == [2, 3, 4, 5]


def test_an_access_to_a_page_of_no_vma_is_a_segmentation_fault(machine: Make) -> None:
    m = machine()
    m.play_soundly({0: [*STORED, OUT, ("munmap", 0, 2, 4)]})
    played = m.play_soundly({1: [("load", 0, 0, PAGES), ("store", 0, 3), ("load", 0, 4, PAGES)]})
    assert played.results == {1: [-errno.EFAULT, -errno.EFAULT, 0]}
    assert (played.events["vm_fault_sigsegv"], played.events["swap_ins"]) == (2, 6)
    assert played.events["zero_fill"] == 0


def test_munmap_of_what_is_unmapped_does_nothing(machine: Make) -> None:
    m = machine()
    played = m.play_soundly({0: [*STORED, ("munmap", 0, 0, 4), ("munmap", 0, 1, 3), ("munmap", 0, 2, 6)]})
    assert played.results[0][2:] == [0, 0, 0]
    assert unmapped(m) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("before", [[], [OUT], [("munmap", 0, 0, PAGES)]])
def test_mmap_puts_empty_pages_in_place_of_what_is_there(machine: Make, before: list[tuple[str, int]]) -> None:
    m = machine()
    played = m.play_soundly({0: [*STORED, *before, ("mmap", 0, 2, 6), ("load", 0, 2, 6), ("store", 0, 2, 6)]})
    assert played.results[0][-3:] == [0, 0, 0]
    assert (played.events["mmaps"], played.events["zero_fill"]) == (1, PAGES + 4)
    assert unmapped(m) == ([0, 1, 6, 7] if before and before[0][0] == "munmap" else [])


def test_the_other_process_keeps_what_it_shares(machine: Make) -> None:
    m = machine()
    m.play_soundly({0: [*STORED, ("fork", 0, 1), ("reclaim", PAGES), ("munmap", 0, 0, PAGES)]})
    assert m.play_soundly({1: [("load", 1, 0, PAGES)]}).results == {1: [0]}
    assert (unmapped(m, 0), unmapped(m, 1)) == (list(range(PAGES)), [])


def test_a_child_has_the_gaps_of_its_parent_and_an_exit_ends_them(machine: Make) -> None:
    m = machine()
    m.play_soundly({0: [*STORED, ("munmap", 0, 5), ("fork", 0, 1)]})
    assert (unmapped(m, 0), unmapped(m, 1)) == ([5], [5])
    played = m.play_soundly({1: [("load", 1, 5), ("munmap", 0, 6), ("exit", 1), ("mm_init", 1), ("store", 1, 5)]})
    assert played.results == {1: [-errno.EFAULT, 0, 0, 0, 0]}
    assert (unmapped(m, 0), unmapped(m, 1)) == ([5, 6], [])


@pytest.mark.parametrize("advice", ["cold", "willneed", "free", "dontneed", "pageout"])
def test_advice_reaches_over_a_gap_and_tells_of_it(machine: Make, advice: str) -> None:
    m = machine()
    m.play_soundly({0: [*STORED, ("pageout", 0, 0, 2), ("pageout", 0, 6), ("munmap", 0, 3, 5)]})
    played = m.play_soundly({0: [(advice, 0, 0, PAGES), (advice, 0, 3, 5), (advice, 0, 2)]})
    assert played.results[0] == [-errno.ENOMEM, -errno.ENOMEM, 0]
    with Snapshot(m.buf) as s:
        swapped = [pte.page for pte in s.mm(0).ptes if pte.entry]
    left = {"cold": [0, 1, 6], "willneed": [0, 1, 6], "free": [], "dontneed": [], "pageout": [0, 1, 2, 5, 6, 7]}
    assert swapped == left[advice]
    assert played.events["pswpin"] == (3 if advice == "willneed" else 0)


def test_a_page_moves_neither_from_nor_to_a_gap(machine: Make) -> None:
    m = machine()
    m.play_soundly({0: [*STORED, ("dontneed", 0, 6), ("munmap", 0, 7), OUT]})
    assert m.play_soundly({0: [("move", 0, 0, 7), ("move", 0, 7, 6), ("move", 0, 0, 6)]}).results[0] == [
        *(-errno.ENOENT, -errno.ENOENT, 0),
    ]


def test_readahead_ends_where_its_vma_does(protocol: str) -> None:
    """Of eight neighbours in swap, the window of a walk from page 0 on may have what lies before the gap."""
    disk = {"kind": "disk", "read_ns": 0, "write_ns": 0}
    before = [*STORED, OUT, *[("reclaim", PAGES)] * 3]
    walk = [("load", 0, 0), ("load", 0, 1)]
    whole = Machine(small_spec(protocol, "cooperative", device=disk, readahead_pages=8))
    read = whole.play_soundly({0: [*before, *walk]}).events["pswpin"]
    parted = Machine(small_spec(protocol, "cooperative", device=disk, readahead_pages=8))
    assert parted.play_soundly({0: [*before, ("munmap", 0, 2), *walk]}).events["pswpin"] == 2 < read


def test_a_large_folio_does_not_reach_into_a_gap(machine: Make, protocol: str) -> None:
    m = machine(anon_orders=(2,))
    played = m.play_soundly({0: [("mm_init", 0), ("munmap", 0, 7), ("store", 0, 0, 7)]})
    assert (played.events["anon_fault_alloc"], played.events["zero_fill"]) == (1, 7)
    m = machine(anon_orders=(2,))
    m.play_soundly({0: [*STORED, OUT, ("munmap", 0, 7)]})
    played = m.play_soundly({0: [("load", 0, 0, 7)]})
    assert played.events["swpin_large"] == (0 if protocol == "has_cache" else 1)


def test_swapoff_and_a_gap(machine: Make) -> None:
    m = machine()
    m.play_soundly({0: [*STORED, OUT, ("munmap", 0, 0, 4)]})
    assert m.play_soundly({0: [("swapoff",), ("load", 0, 4, PAGES)]}).results == {0: [0, 0]}


def test_faults_go_on_while_pages_of_others_are_unmapped(machine: Make, schedules: int) -> None:
    m = machine()
    m.play_soundly({0: [*STORED, OUT]})
    race: Scripts = {
        0: [("munmap", 0, 4, 8), ("mmap", 0, 4, 8), ("store", 0, 4, 8)],
        1: [("load", 0, 0, 4), ("store", 0, 0, 4), ("pageout", 0, 0, 4)],
        2: [("reclaim", 4), ("swapoff",), ("swapon",), ("fork", 0, 1), ("exit", 1)],
    }
    played = m.play_soundly(race, schedules)
    assert played.results[0] == [0, 0, 0]
    assert played.results[1][:2] == [0, 0]


def test_a_fault_beside_a_munmap_ends_in_the_page_or_in_a_segmentation_fault(protocol: str) -> None:
    """Both are seen, and a fault that waited without mmap_lock is among those that come too late."""
    race = RACES["munmap_fault_disk"]
    machine = Machine(small_spec(protocol, "cooperative", **{**SMALL, "cpus": 3, **race.fields}))
    machine.play_soundly({0: race.before})
    played = machine.play(dict(enumerate(race.race)), 300, oracle=PCT(1, 3))
    assert all(one.sound for one in played)
    for one in played:
        late = [results[0] for cpu, results in one.results.items() if cpu].count(-errno.EFAULT)
        assert one.events["vm_fault_sigsegv"] == late
    assert {one.events["vm_fault_sigsegv"] for one in played} == {0, 1, 2}
    assert any(one.events["vm_fault_sigsegv"] and one.events["fault_retry"] for one in played)
