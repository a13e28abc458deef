"""Address spaces begin, are copied, and end; a fork that cannot be finished is undone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from shm.snapshot import Snapshot
from workers.executors.script import Machine
from workers.workloads.script import Scripts

SWAP_MAP_MAX = 62  # references that one byte counts (kernel: include/linux/swap.h)
EAGAIN, ENOMEM = -11, -12
Make = Callable[..., Machine]


def shared_by_many(machine: Make, *, swapped: bool) -> Machine:
    """One page of mm 0 and of 61 children, one reference below the maximum less the parent's."""
    m = machine(mms=70, folios=128, slots=48, memcg={"limit_pages": 100})
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 4)]})
    if swapped:
        m.play_soundly({0: [("pageout", 0, 0, 2)]})
    forks = m.play_soundly({0: [("fork", 0, child) for child in range(1, SWAP_MAP_MAX)]})
    assert set(forks.results[0]) == {0}
    return m


def test_a_slot_takes_62_references_and_the_next_fork_is_undone(machine: Make) -> None:
    m = shared_by_many(machine, swapped=True)
    with Snapshot(m.buf) as s:
        offset = next(pte.entry.offset for pte in s.mm(0).ptes if pte.entry)
        present = next(pte.pfn for pte in s.mm(0).ptes if pte.pfn)
        assert s.slot(0, offset).count == SWAP_MAP_MAX
        before = (s.folio(present).mapcount, s.folio(present).refcount, s.memcg(1))
    played = m.play_soundly({1: [("fork", 0, 65)]})
    assert played.results == {1: [ENOMEM]}
    assert played.events["forks"] == 0
    with Snapshot(m.buf) as s:
        assert s.slot(0, offset).count == SWAP_MAP_MAX
        assert (s.folio(present).mapcount, s.folio(present).refcount, s.memcg(1)) == before
        assert s.mm(65).state == "unused"
        assert s.mm(65).ptes == []
    again = m.play_soundly({0: [("exit", 7), ("fork", 0, 65), ("load", 65, 0, 4), ("fork", 3, 7)]})
    assert again.results == {0: [0, 0, 0, 0]}  # the load of mm 65 gave its reference back


def test_a_page_of_more_mms_than_a_slot_counts_stays_in_memory(machine: Make) -> None:
    m = shared_by_many(machine, swapped=False)
    m.play_soundly({0: [("fork", 0, child) for child in range(SWAP_MAP_MAX, 70)]})
    played = m.play_soundly({0: [("reclaim", 32)] * 4})
    assert played.results[0][3] == 0
    with Snapshot(m.buf) as s:
        mapped = [pte.pfn for mm in range(70) for pte in s.mm(mm).ptes if pte.pfn]
        assert mapped  # those beyond the 62nd
    loads = m.play_soundly({cpu: [("load", mm, 0, 4) for mm in range(cpu, 70, 3)] for cpu in range(3)})
    assert {result for results in loads.results.values() for result in results} == {0}


def test_an_mm_in_use_is_no_child_and_is_not_begun_again(machine: Make) -> None:
    steps = [("mm_init", 0), ("mm_init", 0), ("mm_init", 1), ("fork", 0, 1), ("exit", 2)]
    assert machine().play_soundly({0: steps}).results == {0: [0, EAGAIN, 0, EAGAIN, EAGAIN]}


def test_exit_gives_everything_back(machine: Make) -> None:
    m = machine()
    steps = [("mm_init", 0), ("store", 0, 0, 8), ("pageout", 0, 0, 4), ("fork", 0, 1), ("store", 1, 2, 6)]
    m.play_soundly({0: steps})
    m.play_soundly({1: [("exit", 0)], 2: [("exit", 1)]})
    with Snapshot(m.buf) as s:
        cached = sum(slot.has_cache for slot in (s.slot(0, offset) for offset in range(1, 48)))
        assert sum(slot.count for slot in (s.slot(0, offset) for offset in range(1, 48))) == 0
        assert s.memcg(1).memory == cached
        assert s.device(0).inuse_pages == cached
        assert len(s.free_folios()) == m.plan.geometry.folios - 1 - cached
        assert {s.mm(mm).state for mm in range(4)} == {"unused"}
    assert m.play_soundly({0: [("mm_init", 0), ("load", 0, 0, 8)]}).events["zero_fill"] == 8


def test_everybody_exits_while_others_use_the_pages(machine: Make, schedules: int) -> None:
    m = machine()
    steps = [
        ("mm_init", 0),
        ("store", 0, 0, 4),
        ("fork", 0, 1),
        ("store", 1, 0, 2),
        ("pageout", 1, 0, 2),
        ("fork", 1, 2),
    ]
    m.play_soundly({0: steps})
    race: Scripts = {
        0: [("exit", 0), ("exit", 2)],
        1: [("load", 1, 0, 4), ("exit", 1)],
        2: [("reclaim", 8), ("fork", 1, 3), ("exit", 3)],
    }
    played = m.play_soundly(race, schedules)
    assert played.results[0] == [0, 0]
    with Snapshot(m.buf) as s:
        assert {s.mm(mm).state for mm in range(4)} == {"unused"}
        assert sum(s.slot(0, offset).count for offset in range(1, 48)) == 0


def test_an_mm_ends_once(machine: Make, schedules: int) -> None:
    m = machine()
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 4), ("pageout", 0, 0, 2)]})
    played = m.play_soundly({cpu: [("exit", 0)] for cpu in range(3)}, schedules)
    assert Counter(results[0] for results in played.results.values()) == {EAGAIN: 2, 0: 1}
