"""MADV_COLD, MADV_WILLNEED and MADV_FREE: what they do, and what they leave alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shm.snapshot import Snapshot
from workers.executors.script import Machine
from workers.workloads.script import Scripts

Make = Callable[..., Machine]
STORED = [("mm_init", 0), ("store", 0, 0, 4)]


def test_cold_pages_go_first(machine: Make) -> None:
    """Pages 0 and 1 are older; 2 and 3 are active, until they are said to be cold."""
    m = machine(memcg={"limit_pages": 8})
    m.play_soundly({0: [*STORED, ("reclaim", 0)]})
    m.play_soundly({0: [("cold", 0, 0, 4)]})
    with Snapshot(m.buf) as s:
        flags = {s.folio(pte.pfn).index: s.folio(pte.pfn).flags for pte in s.mm(0).ptes if pte.pfn}
    assert all("active" not in each and "referenced" not in each for each in flags.values())


def test_cold_takes_active_pages_off_their_list(machine: Make) -> None:
    m = machine(memcg={"limit_pages": 3})
    m.play_soundly({0: [*STORED, *(("load", 0, page) for _ in range(4) for page in range(4))]})
    played = m.play_soundly({0: [("cold", 0, 0, 8)]})
    with Snapshot(m.buf) as s:
        active = [pte.page for pte in s.mm(0).ptes if pte.pfn and "active" in s.folio(pte.pfn).flags]
    assert active == []
    assert played.results == {0: [0]}


def test_willneed_reads_what_is_swapped_out(machine: Make) -> None:
    m = machine()
    m.play_soundly({0: [*STORED, ("pageout", 0, 0, 4)]})
    played = m.play_soundly({1: [("willneed", 0, 0, 8)]})
    assert played.events["pswpin"] == 4
    assert played.events["swap_ins"] == 0
    with Snapshot(m.buf) as s:
        assert all(pte.entry for pte in s.mm(0).ptes)
    again = m.play_soundly({0: [("willneed", 0, 0, 4), ("load", 0, 0, 4)]})
    assert (again.events["pswpin"], again.events["swap_ins"]) == (0, 4)


def test_free_gives_slots_back_at_once(machine: Make) -> None:
    m = machine()
    m.play_soundly({0: [*STORED, ("pageout", 0, 0, 4), ("free", 0, 0, 3)]})
    with Snapshot(m.buf) as s:
        assert s.device(0).inuse_pages == 1
        assert [pte.page for pte in s.mm(0).ptes] == [3]
    assert m.play_soundly({0: [("load", 0, 0, 4)]}).events["zero_fill"] == 3


def test_freed_pages_are_dropped_without_a_write(machine: Make) -> None:
    m = machine()
    played = m.play_soundly({0: [*STORED, ("free", 0, 0, 4), ("pageout", 0, 0, 4), ("load", 0, 0, 4)]})
    assert played.results[0][2:] == [0, 4, 0]
    assert (played.events["pglazyfree"], played.events["pglazyfreed"]) == (4, 4)
    assert played.events["pswpout"] == 0
    assert played.events["zero_fill"] == 8


def test_a_store_keeps_a_freed_page(machine: Make) -> None:
    """The first reclaim finds it dirty and makes it an ordinary page again; the second one swaps it out."""
    m = machine()
    steps = [*STORED, ("free", 0, 0, 4), ("store", 0, 1), ("pageout", 0, 0, 4), ("load", 0, 1)]
    played = m.play_soundly({0: steps})
    assert played.results[0][4:] == [3, 0]
    assert played.events["pglazyfreed"] == 3
    later = m.play_soundly({0: [("pageout", 0, 1), ("load", 0, 1)]})
    assert later.results == {0: [1, 0]}
    assert (later.events["pswpout"], later.events["pswpin"]) == (1, 1)


def test_free_leaves_shared_pages_alone_that_are_dirty_or_in_the_swap_cache(machine: Make) -> None:
    m = machine()
    m.play_soundly({0: [*STORED, ("fork", 0, 1), ("reclaim", 8), ("load", 0, 0, 4), ("load", 1, 0, 4)]})
    m.play_soundly({0: [("free", 0, 0, 4), ("reclaim", 8)]})
    played = m.play_soundly({1: [("load", 1, 0, 4), ("load", 0, 0, 4)]})
    assert played.events["zero_fill"] == 0


def test_free_of_a_clean_shared_page_takes_it_from_whoever_gave_it_up(machine: Make, protocol: str) -> None:
    """No flag of the folio says that it is dirty yet: the other process's PTE does. Where a swap-in may leave neither
    dirty, nobody gives up what is shared."""
    m = machine()
    m.play_soundly({0: [*STORED, ("fork", 0, 1), ("free", 0, 0, 4), ("reclaim", 8)]})
    gone = 0 if protocol in ("has_cache", "has_cache_waitqueue") else 4
    assert m.play_soundly({1: [("load", 1, 0, 4)]}).events["zero_fill"] == 0
    assert m.play_soundly({0: [("load", 0, 0, 4)]}).events["zero_fill"] == gone


def test_a_child_of_a_freed_page_may_lose_it_too(machine: Make) -> None:
    m = machine()
    steps = [*STORED, ("free", 0, 0, 4), ("fork", 0, 1), ("store", 1, 0), ("reclaim", 8), ("load", 0, 0, 4)]
    played = m.play_soundly({0: [*steps, ("load", 1, 0, 4)]})
    assert played.events["pglazyfreed"] == 4
    assert played.events["zero_fill"] == 4 + 4 + 3


@pytest.mark.parametrize("advice", ["cold", "willneed", "free", "dontneed", "pageout"])
def test_advice_races_with_all_that_moves_pages(machine: Make, schedules: int, advice: str) -> None:
    m = machine()
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 3), ("pageout", 0, 0, 2)]})
    race: Scripts = {
        0: [("load", 0, 0, 3), ("store", 0, 0, 3), ("load", 0, 0, 3)],
        1: [(advice, 0, 0, 3)] * 3,
        2: [("reclaim", 2), ("fork", 0, 1), ("exit", 1), ("reclaim", 1)],
    }
    played = m.play_soundly(race, schedules)
    assert played.results[0] == [0, 0, 0]
