"""swapoff brings every page back or leaves the device as it was; swapon begins with a clean one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from shm.snapshot import Snapshot
from workers.executors.script import Machine
from workers.workloads.script import Scripts

EBUSY, EEXIST, EFAULT, EIO, ENOMEM = -16, -17, -14, -5, -12
Make = Callable[..., Machine]


def swapped(machine: Make, **other: object) -> Machine:
    m = machine(**other)
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 8), ("pageout", 0, 0, 6), ("fork", 0, 1), ("store", 1, 6, 8)]})
    return m


def test_swapoff_brings_everything_back(machine: Make) -> None:
    m = swapped(machine)
    played = m.play_soundly({1: [("swapoff",)]})
    assert played.results == {1: [0]}
    with Snapshot(m.buf) as s:
        device = s.device(0)
        assert (device.used, device.writeok, device.inuse_pages, device.users) == (False, False, 0, 0)
        assert all(pte.pfn for mm in (0, 1) for pte in s.mm(mm).ptes)
        assert all(s.slot(0, offset).byte in (0, 0x3F) for offset in range(48))
        assert (s.control().nr_swap_pages, s.control().total_swap_pages) == (0, 0)
    loads = m.play_soundly({2: [("load", 0, 0, 8), ("load", 1, 0, 8), ("pageout", 0, 0, 8)]})
    assert loads.results == {2: [0, 0, 0]}  # nowhere to page out to
    assert loads.events["swap_ins"] == 0


def test_swapon_begins_with_a_clean_device(machine: Make) -> None:
    m = swapped(machine)
    m.play_soundly({1: [("swapoff",), ("swapon",)]})
    with Snapshot(m.buf) as s:
        assert s.device(0).writeok
        assert s.device(0).inuse_pages == 0
        assert s.control().nr_swap_pages == s.device(0).pages == 47
        assert sum(cluster.table is not None for cluster in s.clusters(0)) == 1  # of the header slot's cluster
    played = m.play_soundly({2: [("exit", 1), ("pageout", 0, 0, 8), ("load", 0, 0, 8)]})
    assert played.results == {2: [0, 8, 0]}


def test_a_device_goes_off_and_on_once(machine: Make) -> None:
    steps = [("swapon",), ("swapoff",), ("swapoff",), ("swapon",), ("swapon",), ("swapoff",)]
    assert machine().play_soundly({0: steps}).results == {0: [EBUSY, 0, EBUSY, 0, EBUSY, 0]}


def test_swapoff_without_memory_leaves_the_device_as_it_was(machine: Make) -> None:
    m = machine(memcg={"limit_pages": 6})
    m.play_soundly({0: [("mm_init", 0), ("mm_init", 1), ("store", 0, 0, 8), ("store", 1, 0, 8)]})
    played = m.play_soundly({1: [("swapoff",)]})
    assert played.results == {1: [ENOMEM]}
    assert played.events["swapoff_failed"] == 1
    with Snapshot(m.buf) as s:
        assert s.device(0).used
        assert s.device(0).writeok
        assert not s.device(0).dead
        assert s.control().total_swap_pages == 47
    again = m.play_soundly({2: [("load", 0, 0, 8), ("load", 1, 0, 8), ("exit", 1), ("memory_max", 40), ("swapoff",)]})
    assert again.results == {2: [0, 0, 0, 0, 0]}


def test_a_page_that_cannot_be_read_is_lost_and_the_device_goes(machine: Make) -> None:
    """Its PTE says so, to a child too, until the page is dropped, given up or unmapped; nobody moves it."""
    m = machine()
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 8), ("pageout", 0, 0, 4)]})
    m.play_soundly({0: [("inject", "device_error", 1_000_000)]})
    played = m.play_soundly({1: [("swapoff",), ("inject", "device_error", 0)]})
    assert played.results == {1: [0, 0]}
    assert played.events["read_errors"] > 0
    with Snapshot(m.buf) as s:
        assert [pte.page for pte in s.mm(0).ptes if pte.poisoned] == [0, 1, 2, 3]
        assert (s.device(0).inuse_pages, s.memcg(1).memory) == (0, 4)
    told = m.play_soundly({0: [("load", 0, 0), ("store", 0, 1), ("move", 0, 2, 2), ("fork", 0, 1), ("load", 1, 3)]})
    assert told.results == {0: [EIO, EIO, EEXIST, 0, EIO]}
    assert told.events["vm_fault_sigbus"] == 3
    m.play_soundly({0: [("dontneed", 0, 7), ("swapon",)]})
    ends = [("move", 0, 0, 7), ("dontneed", 0, 0), ("free", 0, 1), ("munmap", 0, 2), ("mmap", 0, 2, 4)]
    played = m.play_soundly({2: [*ends, ("pageout", 0, 0, 8), ("load", 0, 0, 8), ("exit", 1)]})
    assert played.results == {2: [EFAULT, 0, 0, 0, 0, 0, 0, 0]}


def test_swapoff_while_others_fault(machine: Make, schedules: int) -> None:
    m = swapped(machine)
    race: Scripts = {
        0: [("swapoff",), ("swapon",)],
        1: [("load", 0, 0, 4), ("store", 0, 0, 4)],
        2: [("store", 1, 2, 6), ("load", 1, 0, 2)],
    }
    assert m.play_soundly(race, schedules).results == {0: [0, 0], 1: [0, 0], 2: [0, 0]}


def test_swapoff_while_others_fork_and_exit(machine: Make, schedules: int) -> None:
    m = swapped(machine)
    race: Scripts = {
        0: [("swapoff",), ("swapon",)],
        1: [("fork", 0, 2), ("load", 2, 0, 2), ("exit", 2)],
        2: [("exit", 1), ("fork", 0, 3), ("dontneed", 3, 0, 4)],
    }
    assert m.play_soundly(race, schedules).results == {0: [0, 0], 1: [0, 0, 0], 2: [0, 0, 0]}


def test_swapoff_while_others_swap_out(machine: Make, schedules: int) -> None:
    m = swapped(machine)
    race: Scripts = {
        0: [("swapoff",), ("swapon",), ("swapoff",)],
        1: [("pageout", 0, 0, 8), ("load", 0, 0, 8)],
        2: [("reclaim", 8), ("store", 1, 0, 8)],
    }
    played = m.play_soundly(race, schedules)
    assert played.results[0] == [0, 0, 0]
    assert (played.results[1][1], played.results[2][1]) == (0, 0)


def test_two_swapoffs_one_wins(machine: Make, schedules: int) -> None:
    m = swapped(machine)
    played = m.play_soundly({cpu: [("swapoff",)] for cpu in range(3)}, schedules // 2 + 1)
    assert Counter(results[0] for results in played.results.values()) == {EBUSY: 2, 0: 1}


def test_swapoff_of_a_disk(machine: Make, schedules: int) -> None:
    m = swapped(machine, device={"kind": "disk", "read_ns": 3_000, "write_ns": 3_000})
    race: Scripts = {
        0: [("swapoff",), ("swapon",)],
        1: [("load", 0, 0, 6), ("store", 0, 2, 6)],
        2: [("fork", 1, 2), ("exit", 1), ("load", 2, 0, 3)],
    }
    assert m.play_soundly(race, schedules // 2 + 1).results == {0: [0, 0], 1: [0, 0], 2: [0, 0, 0]}
