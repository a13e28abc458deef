"""Folios of several pages: allocated, swapped out and in as a whole, mapped and dropped in parts, split."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shm.snapshot import Snapshot
from workers.executors.script import Machine

PAGES = 8
Make = Callable[..., Machine]
LARGE_SWAPIN = ("has_cache_waitqueue", "swap_cache", "swap_table", "swap_table_count")
STORED = [("mm_init", 0), ("store", 0, 0, PAGES)]


def orders(m: Machine, mm: int = 0) -> dict[int, int]:
    """Page -> order of the folio that maps it."""
    with Snapshot(m.buf) as s:
        return {pte.page: s.folio(s.folio(pte.pfn).head).order for pte in s.mm(mm).ptes if pte.pfn is not None}


def offsets(m: Machine, mm: int = 0) -> list[int | None]:
    """The slots of the pages, in their order."""
    with Snapshot(m.buf) as s:
        return [pte.entry.offset if pte.entry else None for pte in s.mm(mm).ptes]


def test_the_first_touch_maps_the_largest_folio_that_fits(machine: Make) -> None:
    m = machine(anon_orders=(1, 2))
    played = m.play_soundly({0: [("mm_init", 0), ("store", 0, 5)]})
    assert (played.events["anon_fault_alloc"], played.events["zero_fill"]) == (1, 4)
    assert orders(m) == dict.fromkeys(range(4, 8), 2)
    played = m.play_soundly({0: [("store", 0, 2), ("dontneed", 0, 1), ("store", 0, 1), ("load", 0, 0, PAGES)]})
    assert orders(m) == {0: 2, 1: 0, 2: 2, 3: 2, **dict.fromkeys(range(4, 8), 2)}
    with Snapshot(m.buf) as s:
        assert s.memcg(1).memory == PAGES + 1  # the folio keeps the page that was dropped


def test_without_a_block_or_a_charge_a_smaller_order_will_do(machine: Make) -> None:
    m = machine(anon_orders=(3,), folios=16, slots=16, cluster_slots=8)
    played = m.play_soundly({0: [("mm_init", 0), ("mm_init", 1), ("store", 0, 0), ("store", 1, 0, 2)]})
    assert played.events["anon_fault_fallback"] > 0
    assert set(orders(m, 1).values()) == {0}
    tight = machine(anon_orders=(2,), memcg={"limit_pages": 3})
    played = tight.play_soundly({0: [("mm_init", 0), ("store", 0, 0, PAGES), ("load", 0, 0, PAGES)]})
    assert played.events["anon_fault_fallback_charge"] > 0
    assert played.results[0] == [0, 0, 0]


@pytest.mark.parametrize("version", [1, 2])
def test_a_folio_goes_out_and_comes_in_as_a_whole(machine: Make, protocol: str, version: int) -> None:
    m = machine(anon_orders=(2,), memcg={"version": version, "limit_pages": 48})
    played = m.play_soundly({0: [*STORED, ("pageout", 0, 0, PAGES)]})
    assert played.results[0][-1] == PAGES
    assert (played.events["swpout_large"], played.events["pswpout"], played.events["split_folio"]) == (2, PAGES, 0)
    found = offsets(m)
    for first in range(0, PAGES, 4):
        slot = found[first]
        assert slot is not None
        assert slot % 4 == 0
        assert found[first : first + 4] == [slot + i for i in range(4)]
    played = m.play_soundly({1: [("load", 0, 6), ("store", 0, 1), ("load", 0, 0, PAGES)]})
    large = protocol in LARGE_SWAPIN
    assert played.events["swpin_large"] == (2 if large else 0)
    assert orders(m) == dict.fromkeys(range(PAGES), 2 if large else 0)
    with Snapshot(m.buf) as s:
        assert s.memcg(1).memory == PAGES
    m.play_soundly({0: [("exit", 0), ("swapoff",)]})
    with Snapshot(m.buf) as s:
        assert len(s.free_folios()) == m.plan.geometry.folios - 1


def test_slots_that_are_not_in_a_row_come_in_one_by_one(machine: Make) -> None:
    m = machine(anon_orders=(2,))
    m.play_soundly({0: [*STORED, ("pageout", 0, 0, PAGES), ("dontneed", 0, 2)]})
    played = m.play_soundly({0: [("load", 0, 0, 4)]})
    assert played.events["swpin_large"] == 0
    assert set(orders(m).values()) == {0}


def test_a_part_that_is_paged_out_splits_its_folio(machine: Make) -> None:
    m = machine(anon_orders=(2,))
    played = m.play_soundly({0: [*STORED, ("pageout", 0, 1, 3)]})
    assert played.results[0][-1] == 2
    assert played.events["split_folio"] == 1
    assert orders(m) == {0: 0, 3: 0, 4: 2, 5: 2, 6: 2, 7: 2}
    m.play_soundly(
        {0: [("load", 0, 0, PAGES), ("store", 0, 0, PAGES), ("pageout", 0, 0, PAGES), ("load", 0, 0, PAGES)]}
    )


def test_what_has_lost_a_part_is_split_when_it_is_reclaimed(machine: Make) -> None:
    m = machine(anon_orders=(2,))
    m.play_soundly({0: [*STORED, ("dontneed", 0, 1, 3)]})
    with Snapshot(m.buf) as s:
        assert s.memcg(1).memory == PAGES
    played = m.play_soundly({0: [("reclaim", 32), ("reclaim", 32), ("load", 0, 0, PAGES)]})
    assert played.events["split_folio"] == 1
    with Snapshot(m.buf) as s:
        assert s.memcg(1).memory == PAGES


def test_a_store_copies_one_page_of_a_shared_folio(machine: Make) -> None:
    m = machine(anon_orders=(2,))
    m.play_soundly({0: [*STORED, ("fork", 0, 1)]})
    played = m.play_soundly({1: [("store", 1, 2), ("load", 0, 0, PAGES), ("load", 1, 0, PAGES)]})
    assert (played.events["cow"], played.events["cow_reuse"]) == (1, 0)
    assert orders(m, 1) == {page: 0 if page == 2 else 2 for page in range(PAGES)}
    m.play_soundly({0: [("exit", 0), ("store", 1, 0, PAGES), ("exit", 1)]})
    with Snapshot(m.buf) as s:
        assert len(s.free_folios()) == m.plan.geometry.folios - 1


def test_swap_without_room_for_the_whole_takes_the_pages(machine: Make) -> None:
    m = machine(anon_orders=(2,), slots=16, cluster_slots=8, pages=16)
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 16), ("pageout", 0, 0, 12)]})
    played = m.play_soundly({0: [("pageout", 0, 12, 16)]})
    assert played.results[0] == [3]  # slots 1 to 3 are left beside the header
    assert (played.events["thp_swpout_fallback"], played.events["split_folio"]) == (1, 1)
    m.play_soundly({0: [("load", 0, 0, 16)]})


def test_a_disk_writes_and_swapoff_reads_large_folios(machine: Make) -> None:
    m = machine(anon_orders=(1, 2), device={"kind": "disk", "read_ns": 1_000, "write_ns": 1_000})
    m.play_soundly({0: [*STORED, ("fork", 0, 1), ("reclaim", 32), ("reclaim", 32), ("reclaim", 32)]})
    played = m.play_soundly({0: [("swapoff",), ("swapon",), ("load", 0, 0, PAGES), ("load", 1, 0, PAGES)]})
    assert played.results[0] == [0, 0, 0, 0]


def test_threads_fault_the_pages_of_folios_at_once(machine: Make, schedules: int) -> None:
    m = machine(anon_orders=(1, 2))
    m.play_soundly({0: [*STORED, ("fork", 0, 1), ("reclaim", 32)]})
    steps: dict[int, list[tuple[Any, ...]]] = {
        0: [("load", 0, 0, PAGES), ("store", 0, 3)],
        1: [("store", 1, 2, 6), ("pageout", 1, 0, PAGES)],
        2: [("load", 1, 5), ("dontneed", 0, 6), ("load", 0, 6)],
    }
    m.play_soundly(steps, schedules)


def test_cold_takes_a_folio_whole_and_splits_what_it_has_a_part_of(machine: Make) -> None:
    """A folio that was given up and stored to is active once reclaim has come to it."""
    m = machine(anon_orders=(2,))
    m.play_soundly({0: [*STORED, ("free", 0, 0, 4), ("store", 0, 0), ("pageout", 0, 0, 4)]})
    played = m.play_soundly({0: [("cold", 0, 0, 4)]})
    assert (played.events["pgdeactivate"], played.events["split_folio"]) == (4, 0)
    with Snapshot(m.buf) as s:
        assert not any("active" in s.folio(s.folio(pte.pfn).head).flags for pte in s.mm(0).ptes if pte.pfn)
    played = m.play_soundly({0: [("cold", 0, 0, 2)]})
    assert played.events["split_folio"] == 1
    assert {page: order for page, order in orders(m).items() if page < 4} == dict.fromkeys(range(4), 0)


def test_what_is_given_up_goes_as_a_whole(machine: Make) -> None:
    m = machine(anon_orders=(2,))
    played = m.play_soundly({0: [*STORED, ("free", 0, 0, 4), ("pageout", 0, 0, 4), ("load", 0, 0, PAGES)]})
    assert played.results[0][2:] == [0, 4, 0]
    assert (played.events["pglazyfree"], played.events["pglazyfreed"], played.events["split_folio"]) == (4, 4, 0)
    assert (played.events["pswpout"], played.events["zero_fill"]) == (0, PAGES + 4)
    assert orders(m) == dict.fromkeys(range(PAGES), 2)


def test_a_store_to_a_page_keeps_it_and_the_others_go(machine: Make) -> None:
    m = machine(anon_orders=(2,))
    steps = [*STORED, ("free", 0, 0, 4), ("store", 0, 2), ("pageout", 0, 0, 4), ("load", 0, 2)]
    played = m.play_soundly({0: steps})
    assert (played.events["pglazyfreed"], played.events["pswpout"]) == (0, 0)
    assert set(orders(m)) == {2, 3, 4, 5, 6, 7}
    played = m.play_soundly({0: [("pageout", 0, 2, 4), ("load", 0, 0, PAGES)]})
    assert (played.results[0][0], played.events["split_folio"], played.events["pswpout"]) == (2, 1, 2)


def test_free_of_a_shared_folio_marks_it_and_takes_slots_of_a_part(machine: Make, protocol: str) -> None:
    m = machine(anon_orders=(2,))
    played = m.play_soundly({0: [*STORED, ("pageout", 0, 4, 8), ("free", 0, 5, 7), ("fork", 0, 1), ("free", 0, 0, 4)]})
    marked = 0 if protocol in ("has_cache", "has_cache_waitqueue") else 4
    assert (played.events["pglazyfree"], played.events["split_folio"]) == (marked, 0)
    found = offsets(m)
    with Snapshot(m.buf) as s:
        assert s.device(0).inuse_pages == sum(offset is not None for offset in found) == 2
    assert m.play_soundly({1: [("load", 1, 0, PAGES), ("load", 0, 0, PAGES)]}).results == {1: [0, 0]}


def test_advice_on_folios_races_with_all_that_moves_pages(machine: Make, schedules: int) -> None:
    m = machine(anon_orders=(1, 2))
    m.play_soundly({0: [*STORED, ("pageout", 0, 0, 4)]})
    steps: dict[int, list[tuple[Any, ...]]] = {
        0: [("load", 0, 0, PAGES), ("store", 0, 3), ("load", 0, 0, PAGES)],
        1: [("free", 0, 0, 6), ("cold", 0, 2, PAGES), ("free", 0, 0, PAGES)],
        2: [("reclaim", 4), ("fork", 0, 1), ("reclaim", 4), ("store", 1, 5)],
    }
    m.play_soundly(steps, schedules)
