"""UFFDIO_MOVE: a page goes to another address of its mm, in memory, cached, or swapped out; or it stays, and why."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shm.snapshot import Snapshot
from workers.executors.script import Machine
from workers.workloads.script import Scripts

Make = Callable[..., Machine]
ENOENT, EAGAIN, EBUSY, EEXIST = -2, -11, -16, -17
STORED = [("mm_init", 0), ("store", 0, 0, 2)]


def test_a_page_in_memory_moves_without_a_copy(machine: Make) -> None:
    m = machine()
    m.play_soundly({0: STORED})
    with Snapshot(m.buf) as s:
        pfn = s.mm(0).ptes[1].pfn or 0
    played = m.play_soundly({1: [("move", 0, 1, 6), ("load", 0, 6)]})
    assert played.results == {1: [0, 0]}
    assert played.events["moves"] == 1
    with Snapshot(m.buf) as s:
        assert [(pte.page, pte.pfn) for pte in s.mm(0).ptes][1:] == [(6, pfn)]
        assert s.folio(pfn).index == 6


def test_reclaim_finds_a_page_that_has_moved(machine: Make) -> None:
    m = machine()
    steps = [*STORED, ("move", 0, 0, 6), ("pageout", 0, 6), ("move", 0, 6, 3), ("load", 0, 3), ("store", 0, 3)]
    played = m.play_soundly({0: [*steps, ("pageout", 0, 3), ("load", 0, 3)]})
    assert played.results[0][2:] == [0, 1, 0, 0, 0, 1, 0]


@pytest.mark.parametrize("advice", [[], [("willneed", 0, 1)]])
def test_an_entry_moves_cached_or_not(machine: Make, advice: list[tuple[str, int, int]]) -> None:
    m = machine()
    m.play_soundly({0: [*STORED, ("pageout", 0, 0, 2), *advice]})
    played = m.play_soundly({0: [("move", 0, 1, 5), ("load", 0, 5), ("load", 0, 1)]})
    assert played.results == {0: [0, 0, 0]}
    assert (played.events["swap_ins"], played.events["zero_fill"]) == (1, 1)


def test_what_cannot_move_says_why(machine: Make) -> None:
    m = machine()
    m.play_soundly({0: [*STORED, ("pageout", 0, 0), ("fork", 0, 1)]})
    steps = [("move", 0, 4, 5), ("move", 0, 0, 1), ("move", 0, 0, 5), ("move", 0, 1, 5), ("move", 3, 0, 1)]
    assert m.play_soundly({0: steps}).results == {0: [ENOENT, EEXIST, EBUSY, EBUSY, -3]}
    alone = [("exit", 1), ("store", 0, 0, 2), ("move", 0, 0, 5), ("move", 0, 1, 1)]
    assert m.play_soundly({0: alone}).results == {0: [0, 0, 0, EEXIST]}


def test_pages_of_two_page_tables_move_both_ways(machine: Make, schedules: int) -> None:
    """513 pages: two page-table locks, taken in one order whichever way a page goes."""
    m = machine(pages=514)
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0), ("store", 0, 513), ("pageout", 0, 0), ("pageout", 0, 513)]})
    race: Scripts = {0: [("move", 0, 0, 512), ("load", 0, 512)], 1: [("move", 0, 513, 1), ("load", 0, 1)]}
    played = m.play_soundly(race, min(schedules, 20))
    assert {result for results in played.results.values() for result in results} <= {0, EAGAIN}


def test_a_move_races_with_all_that_moves_pages(machine: Make, schedules: int) -> None:
    m = machine()
    m.play_soundly({0: [*STORED, ("pageout", 0, 0, 2)]})
    race: Scripts = {
        0: [("move", 0, 0, 2), ("move", 0, 2, 0), ("move", 0, 1, 3)],
        1: [("load", 0, 0), ("store", 0, 1), ("pageout", 0, 0, 4), ("load", 0, 2)],
        2: [("willneed", 0, 0, 4), ("reclaim", 2), ("free", 0, 0), ("swapoff",), ("swapon",)],
    }
    played = m.play_soundly(race, schedules)
    assert set(played.results[0]) <= {0, ENOENT, EAGAIN, EBUSY, EEXIST}
    assert m.play_soundly({0: [("load", 0, 0, 8)]}).results == {0: [0]}


def test_a_page_of_a_large_folio_moves_once_that_is_split(machine: Make) -> None:
    m = machine(anon_orders=(1, 2))
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 4)]})
    played = m.play_soundly({1: [("move", 0, 2, 6), ("load", 0, 0, 8), ("move", 0, 1, 0), ("move", 0, 1, 7)]})
    assert played.results == {1: [0, 0, EEXIST, EEXIST]}
    assert (played.events["moves"], played.events["split_folio"]) == (1, 1)
    reclaimed = m.play_soundly({0: [("pageout", 0, 0, 8), ("load", 0, 0, 8), ("dontneed", 0, 7), ("move", 0, 1, 7)]})
    assert reclaimed.results[0] == [8, 0, 0, 0]


def test_a_large_folio_that_others_use_is_not_split(machine: Make) -> None:
    """Under writeback, or another mm's too: -EBUSY; off its list, in somebody's hands: -EAGAIN."""
    m = machine(anon_orders=(2,))
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 4), ("fork", 0, 1)]})
    assert m.play_soundly({0: [("move", 0, 1, 6), ("exit", 1)]}).results == {0: [EBUSY, 0]}
    steps = [("store", 0, 1), ("move", 0, 1, 6), ("load", 0, 0, 8)]
    assert m.play_soundly({0: steps}).results == {0: [0, 0, 0]}


def test_moves_of_large_folios_race_with_all_that_moves_pages(machine: Make, schedules: int) -> None:
    m = machine(anon_orders=(1, 2))
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 4)]})
    race: Scripts = {
        0: [("move", 0, 0, 4), ("move", 0, 4, 0), ("move", 0, 1, 5)],
        1: [("load", 0, 0), ("store", 0, 1), ("pageout", 0, 0, 4), ("load", 0, 2)],
        2: [("move", 0, 1, 6), ("reclaim", 2), ("free", 0, 0, 4), ("reclaim", 2)],
    }
    played = m.play_soundly(race, schedules)
    results = played.results[0] + played.results[2][:1]
    assert set(results) <= {0, ENOENT, EAGAIN, EBUSY, EEXIST}
    assert m.play_soundly({0: [("load", 0, 0, 8)]}).results == {0: [0]}
