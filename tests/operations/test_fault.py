"""A page is touched for the first time, swapped out, brought back, shared by fork and copied on write."""

from __future__ import annotations

from collections.abc import Callable

from shm.snapshot import Snapshot
from workers.executors.script import Machine

PAGES = 8
NO_PROCESS = -3
Make = Callable[..., Machine]


def test_the_first_touch_fills_with_zeroes(machine: Make) -> None:
    m = machine()
    played = m.play_soundly({0: [("mm_init", 0), ("load", 0, 0, PAGES)]})
    assert played.results == {0: [0, 0]}
    assert played.events["zero_fill"] == PAGES
    with Snapshot(m.buf) as s:
        ptes = s.mm(0).ptes
        assert [pte.page for pte in ptes] == list(range(PAGES))
        assert all(pte.pfn is not None and s.folio(pte.pfn).stamp == 0 for pte in ptes)
        assert s.memcg(1).memory == PAGES


def test_a_store_survives_swap_out_and_swap_in(machine: Make) -> None:
    """Every load checks the whole payload; here the stamps are looked at from outside too."""
    m = machine()
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, PAGES)]})
    with Snapshot(m.buf) as s:
        stored = {pte.page: pte.expected for pte in s.mm(0).ptes}
    assert all(stored.values())
    played = m.play_soundly({1: [("pageout", 0, 0, PAGES)]})
    assert played.results == {1: [PAGES]}
    with Snapshot(m.buf) as s:
        entries = [pte.entry for pte in s.mm(0).ptes]
        assert all(entry is not None and s.slot(entry.device, entry.offset).count == 1 for entry in entries)
        assert len(s.free_folios()) == m.plan.geometry.folios - 1
        assert s.device(0).inuse_pages == PAGES
    played = m.play_soundly({2: [("load", 0, 0, PAGES)]})
    assert played.results == {2: [0]}
    assert played.events["swap_ins"] == played.events["pswpin"] == PAGES
    with Snapshot(m.buf) as s:
        assert {pte.page: s.folio(pte.pfn).stamp for pte in s.mm(0).ptes if pte.pfn} == stored


def test_a_store_to_a_swapped_page_writes_to_what_came_back(machine: Make) -> None:
    m = machine()
    steps = [("mm_init", 0), ("store", 0, 0), ("pageout", 0, 0), ("store", 0, 0), ("pageout", 0, 0), ("load", 0, 0)]
    played = m.play_soundly({0: steps})
    assert played.results == {0: [0, 0, 1, 0, 1, 0]}
    assert played.events["pswpout"] == 2  # dirty again, so written again


def test_a_disk_keeps_the_slot_of_a_load_and_frees_that_of_a_store(machine: Make) -> None:
    """A page that was only read goes out again without a write, if its slot is kept; one that is stored to cannot."""
    m = machine(device={"kind": "disk"}, readahead_pages=1)
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 2), ("pageout", 0, 0, 2), ("pageout", 0, 0, 2)]})
    with Snapshot(m.buf) as s:
        assert s.device(0).inuse_pages == 2
    m.play_soundly({0: [("load", 0, 0), ("store", 0, 1)]})
    with Snapshot(m.buf) as s:
        assert s.device(0).inuse_pages == 1


def test_an_mm_that_is_not_there_cannot_be_touched(machine: Make) -> None:
    steps = [("load", 0, 0), ("store", 0, 0), ("pageout", 0, 0), ("dontneed", 0, 0), ("fork", 0, 1)]
    assert machine().play_soundly({0: steps}).results == {0: [NO_PROCESS] * len(steps)}


def test_present_pages_are_copied_on_write_and_reused_when_alone(machine: Make) -> None:
    m = machine()
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, PAGES), ("fork", 0, 1)]})
    with Snapshot(m.buf) as s:
        assert [pte.pfn for pte in s.mm(0).ptes] == [pte.pfn for pte in s.mm(1).ptes]
        assert not any(pte.writable for pte in s.mm(0).ptes + s.mm(1).ptes)
    child = m.play_soundly({1: [("load", 1, 0, PAGES), ("store", 1, 0, PAGES)]})
    assert (child.events["cow"], child.events["cow_reuse"]) == (PAGES, 0)
    parent = m.play_soundly({0: [("load", 0, 0, PAGES), ("store", 0, 0, PAGES)]})
    assert (parent.events["cow"], parent.events["cow_reuse"]) == (0, PAGES)
    with Snapshot(m.buf) as s:
        assert not {pte.pfn for pte in s.mm(0).ptes} & {pte.pfn for pte in s.mm(1).ptes}


def test_swapped_pages_are_shared_by_their_slot_and_copied_on_write(machine: Make) -> None:
    m = machine()
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, PAGES), ("pageout", 0, 0, PAGES), ("fork", 0, 1)]})
    with Snapshot(m.buf) as s:
        for pte in s.mm(1).ptes:
            assert pte.entry is not None
            assert s.slot(0, pte.entry.offset).count == 2
        assert s.mm(1).on_mmlist
    one = m.play_soundly({1: [("store", 1, 0, PAGES)]})
    assert one.results == {1: [0]}
    with Snapshot(m.buf) as s:
        for pte in s.mm(0).ptes:
            assert pte.entry is not None
            assert s.slot(0, pte.entry.offset).count == 1
    other = m.play_soundly({0: [("load", 0, 0, PAGES), ("store", 0, 0, PAGES), ("load", 1, 0, PAGES)]})
    assert other.results == {0: [0, 0, 0]}
    assert other.events["cow"] <= PAGES  # from the cache, or from a slot that is its own by now


def test_both_sharers_of_a_slot_fault_at_once(machine: Make, schedules: int) -> None:
    m = machine()
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 3), ("pageout", 0, 0, 3), ("fork", 0, 1), ("fork", 0, 2)]})
    steps = {mm: [("load", mm, 0, 3), ("store", mm, 0, 3), ("load", mm, 0, 3)] for mm in range(3)}
    assert m.play_soundly(steps, schedules).results == {mm: [0, 0, 0] for mm in range(3)}


def test_threads_fault_the_same_pages_at_once(machine: Make, schedules: int) -> None:
    m = machine()
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 3), ("pageout", 0, 0, 3)]})
    steps = {0: [("load", 0, 0, 3)], 1: [("store", 0, 0, 3)], 2: [("load", 0, 0, 3), ("pageout", 0, 0, 3)]}
    played = m.play_soundly(steps, schedules)
    assert played.results[0] == played.results[1] == [0]
