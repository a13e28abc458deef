"""Address spaces begin, are copied, and end; a fork that cannot be finished is undone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from shm.snapshot import Snapshot
from workers.executors.script import Machine
from workers.workloads.script import Scripts, Step

MANY = 70  # address spaces: more than a byte of swap_map counts (62), or a table word (14)
EAGAIN, ENOMEM = -11, -12
Make = Callable[..., Machine]


def shared_by_many(machine: Make, mms: int, *, swapped: bool) -> Machine:
    """`mms` address spaces share four pages; two of them lie in swap when `swapped`."""
    m = machine(mms=MANY, pages=4, folios=300, memcg={"limit_pages": 290})
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 4)]})
    if swapped:
        m.play_soundly({0: [("pageout", 0, 0, 2)]})
    forks = m.play_soundly({0: [("fork", 0, child) for child in range(1, mms)]})
    assert set(forks.results[0]) == {0}
    return m


def slot_of(m: Machine, mm: int = 0) -> int:
    with Snapshot(m.buf) as s:
        return next(pte.entry.offset for pte in s.mm(mm).ptes if pte.entry)


def test_a_count_outgrows_its_first_digit_and_shrinks_again(machine: Make) -> None:
    """62 references fit a byte of swap_map, 14 a table word; continuation pages, an extend table hold what is more."""
    m = shared_by_many(machine, 8, swapped=True)
    offset = slot_of(m)
    for first in range(8, MANY, 16):
        m.play_soundly(
            {
                0: [("fork", 0, child) for child in range(first, first + 8)],
                1: [("fork", 1, child) for child in range(first + 8, min(first + 16, MANY))],
            }
        )
    with Snapshot(m.buf) as s:
        assert s.slot(0, offset).count == MANY
    m.play_soundly({cpu: [("exit", mm) for mm in range(4 + cpu, MANY, 3)] for cpu in range(3)})
    with Snapshot(m.buf) as s:
        assert s.slot(0, offset).count == 4
    loads = m.play_soundly({cpu: [("load", cpu, 0, 4), ("exit", cpu)] for cpu in range(3)})
    assert {result for results in loads.results.values() for result in results} == {0}


def test_a_count_that_cannot_grow_undoes_the_fork(machine: Make, protocol: str) -> None:
    most = 14 if protocol == "swap_table_count" else 62
    m = shared_by_many(machine, most, swapped=True)
    offset = slot_of(m)
    with Snapshot(m.buf) as s:
        present = next(pte.pfn for pte in s.mm(0).ptes if pte.pfn)
        before = (s.folio(present).mapcount, s.folio(present).refcount, s.memcg(1))
    failing: list[Step] = [("inject", "count_alloc", 1_000_000), ("fork", 0, most)]
    played = m.play_soundly({1: failing})
    assert played.results == {1: [0, ENOMEM]}
    assert played.events["forks"] == 0
    with Snapshot(m.buf) as s:
        assert s.slot(0, offset).count == most
        assert (s.folio(present).mapcount, s.folio(present).refcount, s.memcg(1)) == before
        assert s.mm(most).state == "unused"
        assert s.mm(most).ptes == []
    again = m.play_soundly({0: [("exit", 7), ("fork", 0, most), ("load", most, 0, 4), ("fork", 3, 7)]})
    assert again.results == {0: [0, 0, 0, 0]}  # the load gave its reference back
    assert m.play_soundly({0: [("inject", "count_alloc", 0), ("fork", 0, most + 1)]}).results == {0: [0, 0]}


def test_a_page_of_more_mms_than_a_slot_can_count_stays_in_memory(machine: Make) -> None:
    m = shared_by_many(machine, MANY, swapped=False)
    played = m.play_soundly({0: [("inject", "count_alloc", 1_000_000), *[("reclaim", 32)] * 4]})
    assert played.results[0][4] == 0
    with Snapshot(m.buf) as s:
        assert [pte.pfn for mm in range(MANY) for pte in s.mm(mm).ptes if pte.pfn]
    loads = m.play_soundly({cpu: [("load", mm, 0, 4) for mm in range(cpu, MANY, 3)] for cpu in range(3)})
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
