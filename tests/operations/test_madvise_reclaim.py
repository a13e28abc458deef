"""Pages leave memory: on request, because a limit is reached, because there is no folio; or they cannot."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shm.snapshot import Snapshot
from workers.executors.script import Machine
from workers.workloads.script import Scripts

ENOMEM = -12
Make = Callable[..., Machine]


def test_dontneed_drops_present_and_swapped_pages(machine: Make) -> None:
    m = machine()
    steps = [("mm_init", 0), ("store", 0, 0, 8), ("pageout", 0, 0, 4), ("dontneed", 0, 2, 6)]
    m.play_soundly({0: steps})
    with Snapshot(m.buf) as s:
        assert [pte.page for pte in s.mm(0).ptes] == [0, 1, 6, 7]
        assert s.memcg(1).memory == 2
        assert s.device(0).inuse_pages == 2
    played = m.play_soundly({1: [("load", 0, 0, 8)]})
    assert (played.events["zero_fill"], played.events["swap_ins"]) == (4, 2)


def test_dontneed_of_a_shared_slot_leaves_the_others_theirs(machine: Make) -> None:
    m = machine()
    steps = [("mm_init", 0), ("store", 0, 0), ("pageout", 0, 0), ("fork", 0, 1), ("dontneed", 0, 0), ("load", 1, 0)]
    assert m.play_soundly({0: steps}).events["swap_ins"] == 1


def test_pageout_leaves_shared_pages(machine: Make) -> None:
    m = machine()
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 4), ("fork", 0, 1), ("store", 1, 2, 4)]})
    assert m.play_soundly({0: [("pageout", 0, 0, 8), ("pageout", 1, 0, 8)]}).results == {0: [2, 2]}
    with Snapshot(m.buf) as s:
        assert [pte.page for pte in s.mm(0).ptes if pte.pfn] == [0, 1]


def test_a_fault_races_with_pageout_and_dontneed(machine: Make, schedules: int) -> None:
    m = machine()
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 3)]})
    race: Scripts = {
        0: [("load", 0, 0, 3), ("store", 0, 0, 3)],
        1: [("pageout", 0, 0, 3)] * 2,
        2: [("dontneed", 0, 1, 2)] * 2,
    }
    assert m.play_soundly(race, schedules).results[0] == [0, 0]


@pytest.mark.parametrize("version", [1, 2])
def test_a_memcg_stays_within_its_limit(machine: Make, version: int) -> None:
    m = machine(memcg={"version": version, "limit_pages": 6})
    played = m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 8), ("load", 0, 0, 8), ("store", 0, 0, 8)]})
    assert played.results == {0: [0, 0, 0, 0]}
    assert played.events["pswpout"] > 0
    assert played.events["pswpin"] > 0
    with Snapshot(m.buf) as s:
        assert s.memcg(1).memory <= 6


def test_all_cpus_share_one_limit(machine: Make, schedules: int) -> None:
    m = machine(memcg={"limit_pages": 8})
    m.play_soundly({0: [("mm_init", mm) for mm in range(3)]})
    race: Scripts = {cpu: [("store", cpu, 0, 6), ("load", cpu, 0, 6)] for cpu in range(3)}
    played = m.play_soundly(race, schedules)
    # ENOMEM: all pages that could go were in the hands of the others' reclaim
    assert {result for results in played.results.values() for result in results} <= {0, ENOMEM}
    with Snapshot(m.buf) as s:
        assert s.memcg(1).memory <= 8
    assert m.play_soundly({0: [("load", mm, 0, 6) for mm in range(3)]}).results == {0: [0, 0, 0]}


def test_reclaim_makes_room_when_no_folio_is_free(machine: Make) -> None:
    m = machine(folios=16, slots=64, memcg={"limit_pages": 64})
    m.play_soundly({0: [("mm_init", mm) for mm in range(3)]})
    played = m.play_soundly({0: [("store", mm, 0, 8) for mm in range(3)] + [("load", mm, 0, 8) for mm in range(3)]})
    assert played.results == {0: [0] * 6}
    assert played.events["allocstall"] > 0


def test_memory_and_swap_run_out_and_come_back(machine: Make) -> None:
    """15 slots and 16 folios for 32 pages: some store finds neither. Who exits makes room for the others."""
    m = machine(folios=16, slots=16, memcg={"limit_pages": 64})
    m.play_soundly({0: [("mm_init", mm) for mm in range(4)]})
    full = m.play_soundly({0: [("store", mm, 0, 8) for mm in range(4)]})
    assert ENOMEM in full.results[0]
    assert full.events["swap_full"] > 0
    assert full.events["vm_fault_oom"] > 0
    with Snapshot(m.buf) as s:
        assert s.device(0).inuse_pages <= 15
    again = m.play_soundly({1: [("exit", 0), ("exit", 1), ("store", 2, 0, 8), ("load", 3, 0, 4)]})
    assert again.results == {1: [0, 0, 0, 0]}


def test_all_run_out_at_once(machine: Make, schedules: int) -> None:
    m = machine(folios=16, slots=16, memcg={"limit_pages": 64})
    m.play_soundly({0: [("mm_init", mm) for mm in range(4)] + [("store", 3, 0, 8)]})
    race: Scripts = {cpu: [("store", cpu, 0, 8), ("load", cpu, 0, 8), ("exit", cpu)] for cpu in range(3)}
    played = m.play_soundly(race, schedules // 4 + 1)
    assert {result for results in played.results.values() for result in results} <= {0, ENOMEM}
    assert m.play_soundly({0: [("load", 3, 0, 8)]}).results == {0: [0]}


def test_a_lower_limit_pushes_out_what_is_there(machine: Make) -> None:
    m = machine()
    m.play_soundly({0: [("mm_init", 0), ("mm_init", 1), ("store", 0, 0, 8), ("memory_max", 4), ("store", 1, 0, 2)]})
    with Snapshot(m.buf) as s:
        assert s.memcg(1).memory <= 4
        assert s.memcg(1).memory_limit == 4
