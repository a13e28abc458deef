"""Several devices: priorities, turns, a full one that leaves and comes back, readahead across them, discards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from pydantic import ValidationError

from shm.snapshot import Snapshot
from workers.executors.script import Machine
from workers.executors.watch import Silence
from workers.run import execute
from workers.spec import DeviceSpec, RunSpec
from workers.workloads.script import Scripts

EBUSY, ENOMEM = -16, -12
ZRAM = {"read_ns": 2_000, "write_ns": 2_000}
DISK = {"kind": "disk", "read_ns": 5_000, "write_ns": 5_000}
Make = Callable[..., Machine]


def by_device(m: Machine, mm: int = 0) -> Counter[int]:
    """How many swapped-out pages of an mm lie on each device."""
    with Snapshot(m.buf) as s:
        return Counter(pte.entry.device for pte in s.mm(mm).ptes if pte.entry is not None)


def out(machine: Make, pages: int, **other: object) -> Machine:
    """Mm 0 with so many pages, all swapped out and none in memory."""
    m = machine(**{"pages": pages, "slots": 16, **other})
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, pages), ("pageout", 0, 0, pages)]})
    m.play_soundly({0: [("reclaim", 32), ("reclaim", 32)]})
    return m


def test_the_highest_priority_is_filled_first(machine: Make) -> None:
    m = out(machine, 18, device=ZRAM, more_devices=[{**ZRAM, "priority": 5}, {**ZRAM, "priority": 7}])
    assert by_device(m) == {2: 15, 1: 3}
    assert m.play_soundly({1: [("load", 0, 0, 18)]}).results == {1: [0]}


def test_without_priorities_the_first_device_comes_first(machine: Make) -> None:
    assert by_device(out(machine, 16, device=ZRAM, more_devices=[ZRAM])) == {0: 15, 1: 1}


def test_equal_priorities_take_turns_cluster_by_cluster(machine: Make) -> None:
    equal = {**ZRAM, "priority": 1}
    m = out(machine, 14, device=equal, more_devices=[equal])
    assert by_device(m) == {0: 7, 1: 7}


def test_a_full_device_leaves_the_list_and_the_first_free_slot_brings_it_back(machine: Make) -> None:
    m = out(machine, 16, device=ZRAM, more_devices=[ZRAM])
    with Snapshot(m.buf) as s:
        assert s.available() == (1,)
    m.play_soundly({1: [("dontneed", 0, 0)]})
    with Snapshot(m.buf) as s:
        assert s.available() == (0, 1)
        assert s.device(0).inuse_pages == 14


def test_swapoff_of_one_device_leaves_the_other(machine: Make) -> None:
    m = out(machine, 16, device=ZRAM, more_devices=[ZRAM])
    assert m.play_soundly({1: [("swapoff", 0), ("swapoff", 0), ("swapon", 1)]}).results == {1: [0, EBUSY, EBUSY]}
    assert by_device(m) == {1: 1}
    m.play_soundly({0: [("pageout", 0, 0, 14)]})
    assert by_device(m) == {1: 15}
    assert m.play_soundly({1: [("swapon", 0), ("swapoff", 1), ("load", 0, 0, 16)]}).results == {1: [0, 0, 0]}
    assert by_device(m) == {}


def test_pages_move_from_device_to_device_while_others_use_them(machine: Make, schedules: int) -> None:
    m = machine(device=ZRAM, more_devices=[{**ZRAM, "priority": 3}, ZRAM], memcg={"limit_pages": 12})
    m.play_soundly({0: [("mm_init", mm) for mm in range(3)]})
    race: Scripts = {
        0: [("store", 0, 0, 8), ("load", 1, 0, 8), ("pageout", 0, 0, 8)],
        1: [("swapoff", 1), ("swapon", 1), ("swapoff", 0), ("swapon", 0)],
        2: [("store", 1, 0, 8), ("pageout", 1, 0, 8), ("load", 0, 0, 8)],
    }
    played = m.play_soundly(race, schedules)
    assert {played.results[cpu][at] for cpu, at in ((0, 0), (0, 1), (2, 0), (2, 2))} <= {0, ENOMEM}
    assert set(played.results[1]) <= {0, ENOMEM, EBUSY}


def test_two_swapoffs_are_one_at_a_time(machine: Make, schedules: int) -> None:
    m = out(machine, 8, device={**ZRAM, "priority": 1}, more_devices=[{**ZRAM, "priority": 1}])
    played = m.play_soundly(
        {0: [("swapoff", 0), ("swapon", 0)], 1: [("swapoff", 1)], 2: [("load", 0, 0, 8)]}, schedules
    )
    assert {result for results in played.results.values() for result in results} <= {0, EBUSY}


def test_readahead_follows_the_pages_wherever_they_lie(machine: Make) -> None:
    equal = {**DISK, "priority": 1}
    m = out(machine, 14, device=equal, more_devices=[equal], readahead_pages=8)
    assert by_device(m) == {0: 7, 1: 7}
    played = m.play_soundly({1: [("load", 0, 0, 14)]})
    assert played.events["pswpin"] == 14  # each once
    assert played.events["swap_ra_hit"] > 7
    assert played.events["pgmajfault"] < 7


def test_readahead_goes_backwards_too(machine: Make) -> None:
    m = out(machine, 14, device=DISK, readahead_pages=4)
    played = m.play_soundly({1: [("load", 0, page) for page in reversed(range(14))]})
    assert played.events["pswpin"] == 14
    assert played.events["swap_ra_hit"] > 5


def test_a_lone_fault_reads_nothing_ahead(machine: Make) -> None:
    m = out(machine, 14, device=DISK, readahead_pages=8)
    assert m.play_soundly({1: [("load", 0, 3), ("load", 0, 9)]}).events["swap_ra"] == 0


def test_a_rotating_device_reads_slots_not_pages(machine: Make) -> None:
    """Every second page is swapped out: pages that neighbour each other in swap do not in the address space."""
    found = []
    for rotating in (False, True):
        m = machine(pages=14, slots=16, device={**DISK, "rotating": rotating}, readahead_pages=4)
        steps = [("mm_init", 0), ("store", 0, 0, 14), *(("pageout", 0, page) for page in range(0, 14, 2))]
        m.play_soundly({0: steps})
        m.play_soundly({0: [("reclaim", 32), ("reclaim", 32)]})
        played = m.play_soundly({1: [("load", 0, 0), ("load", 0, 2), ("load", 0, 4)]})
        found.append(played.events["swap_ra"] > 0)
    assert found == [False, True]


def test_the_clusters_of_a_rotating_device_are_filled_by_all_cpus_in_one_place(machine: Make) -> None:
    m = machine(pages=8, slots=48, device={**DISK, "rotating": True})
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 8)]})
    for cpu in range(3):
        m.play_soundly({cpu: [("pageout", 0, 2 * cpu, 2 * cpu + 2)]})
    with Snapshot(m.buf) as s:
        assert sorted(pte.entry.offset for pte in s.mm(0).ptes if pte.entry is not None) == [1, 2, 3, 4, 5, 6]


def test_a_rotating_device_is_allocated_by_all_at_once(machine: Make, schedules: int) -> None:
    m = machine(device={**DISK, "rotating": True}, memcg={"limit_pages": 16})
    m.play_soundly({0: [("mm_init", mm) for mm in range(3)]})
    race: Scripts = {cpu: [("store", cpu, 0, 6), ("pageout", cpu, 0, 6), ("load", cpu, 0, 6)] for cpu in range(3)}
    played = m.play_soundly(race, schedules // 5 + 1)
    assert {results[at] for results in played.results.values() for at in (0, 2)} <= {0, ENOMEM}


@pytest.mark.parametrize("discard_ns", [0, 200_000])
def test_a_cluster_is_discarded_before_it_is_used_again(machine: Make, discard_ns: int) -> None:
    m = out(machine, 15, device={**DISK, "discard": True, "discard_ns": discard_ns}, readahead_pages=1)
    m.play_soundly({1: [("dontneed", 0, 0, 15)]})
    with Snapshot(m.buf) as s:
        assert s.device(0).lists["discard"] == []
        assert s.device(0).lists["free"] == [1]
        assert all(s.slot(0, offset).handle is None for offset in range(8, 16))  # the device has forgotten them


def test_an_allocation_waits_for_a_discard_when_nothing_else_is_left(machine: Make, schedules: int) -> None:
    m = out(machine, 16, device={**DISK, "discard": True, "discard_ns": 50_000}, readahead_pages=1)
    assert by_device(m) == {0: 15}
    played = m.play_soundly({0: [("dontneed", 0, 0, 15), ("pageout", 0, 15)], 1: [("load", 0, 15)]}, schedules)
    assert played.results[0][0] == 0
    assert m.play_soundly({2: [("load", 0, 0, 16)]}).results == {2: [0]}


def test_swapoff_leaves_no_discard_behind(machine: Make, schedules: int) -> None:
    m = out(machine, 8, device={**DISK, "discard": True, "discard_ns": 1_000}, readahead_pages=1)
    race: Scripts = {0: [("dontneed", 0, 0, 8)], 1: [("swapoff",), ("swapon",)], 2: [("load", 0, 4, 8)]}
    m.play_soundly(race, schedules)
    assert m.play_soundly({0: [("pageout", 0, 0, 8), ("load", 0, 0, 8)]}).results[0][1] == 0


def test_a_table_that_is_not_to_be_had_at_once_is_waited_for(machine: Make, schedules: int) -> None:
    m = machine(slots=48, inject={"table_alloc": 400_000}, memcg={"limit_pages": 16})
    m.play_soundly({0: [("mm_init", mm) for mm in range(3)]})
    race: Scripts = {cpu: [("store", cpu, 0, 8), ("pageout", cpu, 0, 8), ("load", cpu, 0, 8)] for cpu in range(3)}
    played = m.play_soundly({**race, 2: [*race[2], ("swapoff",), ("swapon",)]}, schedules // 5 + 1)
    assert {results[at] for results in played.results.values() for at in (0, 2)} <= {0, ENOMEM}


@pytest.mark.parametrize("executor", ["processes", "cooperative"])
def test_a_run_of_all_kinds_of_devices(executor: str) -> None:
    spec = RunSpec.model_validate(
        {
            "protocol": "swap_table",
            "scenario": "mix",
            "mix": {"load": 6, "store": 6, "pageout": 3, "dontneed": 2, "reclaim": 1, "swapoff": 1},
            "executor": executor,
            "seconds": 0.5,
            "slots": 512,
            "cluster_slots": 64,
            "lockdep": True,
            "device": {"kind": "disk", "discard": True, "discard_ns": 20_000, "priority": 1},
            "more_devices": [{"kind": "disk", "rotating": True, "priority": 1}, {"kind": "zram"}],
            "cooperative": {"schedules": 100},
        }
    )
    outcome = execute(spec, lambda event: None, Silence(), None)
    assert (outcome.status, outcome.violations) == ("succeeded", []), outcome.reason
    assert outcome.events["swapoffs"] > 0


@pytest.mark.parametrize("field", ["rotating", "discard"])
def test_a_zram_neither_rotates_nor_discards(field: str) -> None:
    with pytest.raises(ValidationError, match="belong to kind=disk"):
        DeviceSpec.model_validate({"kind": "zram", field: True})


def test_there_are_four_devices_at_most() -> None:
    assert len(RunSpec(protocol="swap_cache", more_devices=(DeviceSpec(),) * 3).devices) == 4
    with pytest.raises(ValidationError, match="more_devices"):
        RunSpec(protocol="swap_cache", more_devices=(DeviceSpec(),) * 4)
