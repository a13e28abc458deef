"""Large folios of files: allocated, moved to swap and back whole, in parts, or split; holes with a part of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shm.records import Inode
from shm.snapshot import Snapshot
from workers.executors.script import Machine
from workers.workloads.script import Scripts

PAGES = 8
FILES = {"inodes": 2, "pages": PAGES, "orders": (2,)}
DISK = {"device": {"kind": "disk", "read_ns": 3_000, "write_ns": 3_000}}
LARGE_SWAPIN = ("has_cache_waitqueue", "swap_cache", "swap_table", "swap_table_count")
WRITTEN = [("shmem_write", 0, 0, PAGES)]
Make = Callable[..., Machine]


def file_of(m: Machine, inode: int = 0) -> Inode:
    with Snapshot(m.buf) as s:
        return s.inode(inode)


def orders(m: Machine, inode: int = 0) -> dict[int, int]:
    """Page -> order of the folio or of the swap entry that it is a page of."""
    with Snapshot(m.buf) as s:
        return {
            page.page: s.folio(s.folio(page.pfn).head).order if page.pfn is not None else page.order
            for page in s.inode(inode).pages
        }


def written_out(machine: Make, **other: Any) -> Machine:
    """A file whose two folios of four pages lie in swap alone."""
    m = machine(**{"shmem": FILES, **other})
    m.play_soundly({0: [*WRITTEN, ("reclaim", PAGES)]})
    while file_of(m).nrpages or any("swapcache" in flags for flags in flags_of(m)):
        m.play_soundly({0: [("reclaim", PAGES)]})
    return m


def flags_of(m: Machine) -> list[tuple[str, ...]]:
    with Snapshot(m.buf) as s:
        return [s.folio(pfn).flags for pfn in range(1, m.plan.geometry.folios)]


def test_a_write_takes_the_largest_folio_that_fits(machine: Make) -> None:
    m = machine(shmem={"inodes": 1, "pages": 7, "orders": (1, 2)})
    played = m.play_soundly({0: [("shmem_write", 0, 1), ("shmem_write", 0, 4, 7)]})
    assert orders(m) == {0: 2, 1: 2, 2: 2, 3: 2, 4: 1, 5: 1, 6: 0}
    assert played.events["shmem_alloc"] == 2
    inode = file_of(m)
    assert (inode.nrpages, [page.expected != 0 for page in inode.pages]) == (
        7,
        [False, True, False, False, *[True] * 3],
    )
    assert m.play_soundly({1: [("shmem_read", 0, 0, 7)]}).results == {1: [0]}
    with Snapshot(m.buf) as s:
        assert s.memcg(1).memory == 7


def test_without_a_block_or_a_charge_a_smaller_folio_will_do(machine: Make) -> None:
    m = machine(shmem=FILES, memcg={"limit_pages": 3})
    played = m.play_soundly({0: [*WRITTEN, ("shmem_read", 0, 0, PAGES)]})
    assert played.results == {0: [0, 0]}
    assert played.events["shmem_fallback_charge"] > 0
    m = machine(shmem={"inodes": 1, "pages": 16, "orders": (3,)}, folios=16, slots=32, cluster_slots=8)
    played = m.play_soundly({0: [("shmem_write", 0, 0), ("shmem_write", 0, 8, 10)]})
    assert (played.events["shmem_alloc"], played.events["shmem_fallback"]) == (1, 1)
    assert orders(m) == {**dict.fromkeys(range(8), 3), 8: 0, 9: 0}


@pytest.mark.parametrize("version", [1, 2])
def test_a_folio_goes_out_and_comes_in_as_a_whole(machine: Make, protocol: str, version: int) -> None:
    m = machine(shmem=FILES, memcg={"version": version, "limit_pages": 48})
    played = m.play_soundly({0: [*WRITTEN, ("reclaim", PAGES)]})
    assert (played.events["swpout_large"], played.events["pswpout"], played.events["split_folio"]) == (2, PAGES, 0)
    inode = file_of(m)
    assert (inode.nrpages, inode.swapped) == (0, PAGES)
    assert orders(m) == dict.fromkeys(range(PAGES), 2)
    for first in range(0, PAGES, 4):
        slots = [page.entry.offset for page in inode.pages[first : first + 4] if page.entry]
        assert slots == [slots[0] + i for i in range(4)]
        assert slots[0] % 4 == 0
    played = m.play_soundly({1: [("shmem_read", 0, 6), ("shmem_write", 0, 1), ("shmem_read", 0, 0, PAGES)]})
    large = protocol in LARGE_SWAPIN
    assert played.events["swpin_large"] == (2 if large else 0)
    assert orders(m) == dict.fromkeys(range(PAGES), 2 if large else 0)
    inode = file_of(m)
    assert (inode.nrpages, inode.swapped) == (PAGES, 0)
    m.play_soundly({0: [("shmem_truncate", 0, 0, PAGES), ("swapoff",)]})
    with Snapshot(m.buf) as s:
        assert s.memcg(1).memory == 0
        assert len(s.free_folios()) == m.plan.geometry.folios - 1


def test_a_single_page_splits_the_entry(machine: Make) -> None:
    """A read ahead, and an allocation that fails, bring in one page of four."""
    m = written_out(machine, **DISK)
    assert m.play_soundly({0: [("shmem_read", 0, 1)]}).events["swpin_large"] == 0
    assert set(orders(m).values()) == {0, 2}
    assert orders(m)[4] == 2
    assert m.play_soundly({1: [("shmem_read", 0, 0, PAGES)]}).results == {1: [0]}
    assert set(orders(m).values()) == {0}


def test_swap_without_room_for_the_whole_takes_the_pages(machine: Make) -> None:
    m = machine(shmem={"inodes": 1, "pages": 16, "orders": (2,)}, slots=16, cluster_slots=8)
    m.play_soundly({0: [("shmem_write", 0, 0, 12), ("reclaim", 12), ("shmem_write", 0, 12, 16)]})
    played = m.play_soundly({0: [("reclaim", 4)]})
    assert (played.events["thp_swpout_fallback"], played.events["split_folio"]) == (1, 1)
    inode = file_of(m)
    assert (inode.nrpages, inode.swapped) == (1, 15)  # slots 1 to 3 are left beside the header
    assert m.play_soundly({0: [("shmem_read", 0, 0, 16)]}).results == {0: [0]}


def test_a_hole_in_memory_splits_a_folio(machine: Make) -> None:
    m = machine(shmem=FILES)
    played = m.play_soundly({0: [*WRITTEN, ("shmem_truncate", 0, 3, 5), ("shmem_read", 0, 0, PAGES)]})
    assert played.events["split_folio"] == 2
    assert orders(m) == {0: 0, 1: 0, 2: 0, 5: 0, 6: 0, 7: 0}
    with Snapshot(m.buf) as s:
        assert s.memcg(1).memory == 6
    m.play_soundly({1: [("shmem_write", 0, 3, 5), ("reclaim", PAGES), ("shmem_read", 0, 0, PAGES)]})


@pytest.mark.parametrize("device", [{}, DISK], ids=["zram", "disk"])
def test_a_hole_in_swap_takes_whole_entries_and_parts(machine: Make, device: dict[str, Any]) -> None:
    m = written_out(machine, **device)
    played = m.play_soundly({1: [("shmem_truncate", 0, 3, PAGES)]})
    assert played.results == {1: [0]}
    assert [page.page for page in file_of(m).pages] == [0, 1, 2]
    assert played.events["pswpin"] <= 4  # of the whole entry nothing
    assert m.play_soundly({1: [("shmem_read", 0, 0, PAGES), ("shmem_truncate", 0, 0, PAGES)]}).results == {1: [0, 0]}
    with Snapshot(m.buf) as s:
        assert (s.inode(0).nrpages, s.inode(0).swapped, s.inode(0).pages) == (0, 0, [])


def test_a_hole_without_memory_leaves_what_it_has_a_part_of(machine: Make) -> None:
    m = written_out(machine)
    m.play_soundly({0: [("inject", "folio_alloc", 1_000_000), ("shmem_truncate", 0, 3, PAGES)]})
    assert [page.page for page in file_of(m).pages] == [0, 1, 2, 3]
    m.play_soundly({0: [("inject", "folio_alloc", 0), ("shmem_truncate", 0, 3, PAGES), ("shmem_read", 0, 0, PAGES)]})
    assert [page.page for page in file_of(m).pages] == [0, 1, 2]


@pytest.mark.parametrize("device", [{}, DISK], ids=["zram", "disk"])
def test_swapoff_brings_large_entries_back(machine: Make, device: dict[str, Any]) -> None:
    m = written_out(machine, **device)
    assert m.play_soundly({1: [("swapoff",)]}).results == {1: [0]}
    inode = file_of(m)
    assert (inode.nrpages, inode.swapped, inode.on_swaplist) == (PAGES, 0, False)
    assert m.play_soundly({1: [("shmem_read", 0, 0, PAGES), ("swapon",)]}).results == {1: [0, 0]}


def test_a_folio_that_cannot_be_read_is_lost_for_good(machine: Make) -> None:
    m = written_out(machine)
    played = m.play_soundly(
        {0: [("inject", "device_error", 1_000_000), ("shmem_read", 0, 1), ("inject", "device_error", 0)]}
    )
    assert played.results == {0: [0, -5, 0]}
    m.play_soundly({0: [("shmem_read", 0, 4, PAGES), ("shmem_truncate", 0, 1, 3), ("swapoff",)]})
    m.play_soundly({0: [("shmem_truncate", 0, 0, PAGES)]})
    assert file_of(m).pages == []


def test_zswap_takes_a_whole_folio_and_gives_single_pages(machine: Make) -> None:
    m = written_out(machine, zswap={"pool_pages": 16})
    played = m.play_soundly({0: [("shmem_read", 0, 0, PAGES)]})
    assert (played.results, played.events["swpin_large"]) == ({0: [0]}, 0)
    assert set(orders(m).values()) == {0}


def test_everybody_at_large_folios(machine: Make, schedules: int) -> None:
    m = written_out(machine)
    race: Scripts = {
        0: [("shmem_read", 0, 0, 3), ("shmem_write", 0, 1), ("shmem_truncate", 0, 2, 6)],
        1: [("shmem_truncate", 0, 0, 2), ("shmem_write", 0, 0, 2), ("reclaim", 4)],
        2: [("reclaim", 6), ("shmem_read", 0, 0, 6), ("shmem_write", 0, 4)],
    }
    m.play_soundly(race, schedules)


def test_everybody_at_large_folios_on_a_disk(machine: Make, schedules: int) -> None:
    m = written_out(machine, **DISK)
    race: Scripts = {
        0: [("shmem_read", 0, 0, 3), ("shmem_write", 0, 1), ("shmem_truncate", 0, 2, 6)],
        1: [("shmem_truncate", 0, 0, 4), ("shmem_write", 0, 0, 2), ("reclaim", 4)],
        2: [("reclaim", 6), ("shmem_read", 0, 0, 6), ("shmem_write", 0, 4)],
    }
    m.play_soundly(race, schedules // 2 + 1)


def test_swapoff_while_large_folios_are_used(machine: Make, schedules: int) -> None:
    m = written_out(machine)
    race: Scripts = {
        0: [("swapoff",), ("swapon",)],
        1: [("shmem_read", 0, 0, 4), ("shmem_write", 0, 0, 4), ("reclaim", 2)],
        2: [("shmem_truncate", 0, 2, 6), ("shmem_write", 0, 2, 6)],
    }
    m.play_soundly(race, schedules // 2 + 1)
