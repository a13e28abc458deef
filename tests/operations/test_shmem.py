"""Files of tmpfs: pages go from the page cache to swap and back, and whoever meets on the way loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shm.records import FilePage
from shm.snapshot import Snapshot
from workers.executors.script import Machine
from workers.workloads.script import Scripts

EIO, ENOMEM = -5, -12
FILES = {"inodes": 2, "pages": 8}
DISK = {"device": {"kind": "disk", "read_ns": 3_000, "write_ns": 3_000}}
SHMEM_BYTE, SHMEM_CACHED_BYTE, HAS_CACHE = 0xBF, 0xFF, 0x40
Make = Callable[..., Machine]


def pages_of(m: Machine, inode: int = 0) -> list[FilePage]:
    with Snapshot(m.buf) as s:
        return s.inode(inode).pages


def written_out(machine: Make, **other: Any) -> Machine:
    """Pages 0 to 5 of file 0, the first four of which lie in swap alone."""
    m = machine(shmem=FILES, **other)
    m.play_soundly({0: [("shmem_write", 0, 0, 4), ("reclaim", 4), ("shmem_write", 0, 4, 6)]})
    return m


def test_a_page_is_written_out_and_read_back(machine: Make, protocol: str) -> None:
    m = written_out(machine)
    before = pages_of(m)
    assert [page.entry is not None for page in before] == [True] * 4 + [False] * 2
    assert all((page.pfn is None) == (page.entry is not None) for page in before)
    with Snapshot(m.buf) as s:
        inode = s.inode(0)
        assert (inode.nrpages, inode.swapped, inode.on_swaplist) == (2, 4, True)
        assert s.inode(1).pages == []
    played = m.play_soundly({1: [("shmem_read", 0, 0, 6)]})
    assert played.results == {1: [0]}
    assert played.events["swap_ins"] == 4
    with Snapshot(m.buf) as s:
        assert (s.inode(0).nrpages, s.inode(0).swapped) == (6, 0)
        assert all("dirty" in s.folio(page.pfn or 0).flags for page in s.inode(0).pages)
        assert s.device(0).inuse_pages == 0 or protocol in ("has_cache", "skip_cache")  # what was read ahead may stay
    assert [page.expected for page in pages_of(m)] == [page.expected for page in before]


def test_a_slot_of_a_file_is_marked_or_counted(machine: Make, protocol: str) -> None:
    """Up to 6.19 by SWAP_MAP_SHMEM, of which there is one; later by a count of 1."""
    m = written_out(machine)
    entry = pages_of(m)[0].entry
    assert entry is not None
    with Snapshot(m.buf) as s:
        slot = s.slot(entry.device, entry.offset)
    assert slot.count == 1
    marked = protocol in ("skip_cache", "has_cache", "has_cache_waitqueue")
    assert (slot.byte & ~HAS_CACHE == SHMEM_BYTE) == marked


def test_a_mark_stands_beside_the_cache(machine: Make, protocol: str) -> None:
    m = machine(shmem=FILES, device={"kind": "disk", "read_ns": 0, "write_ns": 50_000})
    m.play_soundly({0: [("shmem_write", 0, 0), ("reclaim", 1)]})
    entry = pages_of(m)[0].entry
    assert entry is not None
    with Snapshot(m.buf) as s:
        slot = s.slot(entry.device, entry.offset)
        assert slot.kind == "pfn"
        if protocol in ("skip_cache", "has_cache", "has_cache_waitqueue"):
            assert slot.byte == SHMEM_CACHED_BYTE
        folio = s.folio(slot.value)
        assert "swapcache" in folio.flags
    m.play_soundly({1: [("shmem_read", 0, 0)]})
    assert pages_of(m)[0].pfn == slot.value


def test_holes_are_read_and_written(machine: Make) -> None:
    m = machine(shmem=FILES)
    played = m.play_soundly({0: [("shmem_read", 0, 0, 8), ("shmem_write", 0, 3), ("shmem_read", 0, 0, 8)]})
    assert played.results == {0: [0, 0, 0]}
    assert [page.page for page in pages_of(m)] == [3]


def test_a_truncation_drops_pages_wherever_they_are(machine: Make) -> None:
    m = written_out(machine)
    played = m.play_soundly({1: [("shmem_truncate", 0, 1, 5), ("shmem_read", 0, 0, 8)]})
    assert played.results == {1: [0, 0]}
    assert [page.page for page in pages_of(m)] == [0, 5]
    m.play_soundly({1: [("shmem_truncate", 0, 0, 8)]})
    with Snapshot(m.buf) as s:
        assert (s.inode(0).nrpages, s.inode(0).swapped, s.inode(0).pages) == (0, 0, [])
        assert s.memcg(1).memory == 0


def test_swapoff_brings_files_back_and_forgets_them(machine: Make) -> None:
    m = written_out(machine)
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 4), ("pageout", 0, 0, 4)]})
    assert m.play_soundly({1: [("swapoff",)]}).results == {1: [0]}
    with Snapshot(m.buf) as s:
        inode = s.inode(0)
        assert (inode.nrpages, inode.swapped, inode.on_swaplist) == (6, 0, False)
    played = m.play_soundly({2: [("shmem_read", 0, 0, 6), ("swapon",), ("reclaim", 8), ("swapoff",)]})
    assert played.results[2][:2] + played.results[2][3:] == [0, 0, 0]


def test_swapoff_without_memory_for_files(machine: Make) -> None:
    m = machine(shmem=FILES, memcg={"limit_pages": 6})
    m.play_soundly({0: [("shmem_write", 0, 0, 8), ("shmem_write", 1, 0, 8)]})
    assert m.play_soundly({1: [("swapoff",)]}).results == {1: [ENOMEM]}
    played = m.play_soundly({1: [("shmem_truncate", 1, 0, 8), ("memory_max", 40), ("swapoff",)]})
    assert played.results == {1: [0, 0, 0]}


@pytest.mark.parametrize("device", [{}, DISK], ids=["zram", "disk"])
def test_a_page_that_cannot_be_read_is_lost_for_good(machine: Make, device: dict[str, Any]) -> None:
    m = machine(shmem=FILES, readahead_pages=1, **device)
    m.play_soundly({0: [("shmem_write", 0, 0, 2), ("reclaim", 2)]})
    m.play_soundly({0: [("reclaim", 2)]})  # now that the writes have ended
    played = m.play_soundly({0: [("inject", "device_error", 1_000_000), ("shmem_read", 0, 0), ("shmem_write", 0, 0)]})
    assert played.results == {0: [0, EIO, EIO]}
    lost = pages_of(m)[0]
    assert (lost.pfn, lost.entry) == (None, None)
    again = m.play_soundly(
        {1: [("inject", "device_error", 0), ("shmem_read", 0, 0), ("shmem_read", 0, 1), ("swapoff",)]}
    )
    assert again.results == {1: [0, EIO, 0, 0]}
    assert m.play_soundly({1: [("shmem_truncate", 0, 0), ("shmem_read", 0, 0)]}).results == {1: [0, 0]}
    assert [page.page for page in pages_of(m)] == [1]


def test_where_swap_is_full_a_page_stays(machine: Make) -> None:
    m = machine(shmem=FILES, memcg={"limit_pages": 48, "swap_limit_pages": 1})
    m.play_soundly({0: [("shmem_write", 0, 0, 3), ("reclaim", 3)]})
    assert [page.entry is not None for page in pages_of(m)] == [True, False, False]
    assert m.play_soundly({1: [("shmem_read", 0, 0, 3)]}).results == {1: [0]}


def test_a_page_that_nobody_takes_comes_back(machine: Make) -> None:
    """zswap is full, and may not use the device."""
    m = machine(shmem=FILES, zswap={"pool_pages": 1, "no_writeback": True})
    m.play_soundly({0: [("shmem_write", 0, 0, 3), ("reclaim", 3)]})
    assert [page.entry is not None for page in pages_of(m)] == [True, False, False]
    with Snapshot(m.buf) as s:
        inode, kept = s.inode(0), [s.folio(page.pfn) for page in pages_of(m) if page.pfn]
        assert (inode.nrpages, inode.swapped) == (2, 1)
        assert all({"dirty", "active"} <= set(folio.flags) and folio.swap is None for folio in kept)
        assert s.device(0).inuse_pages == 1
    assert m.play_soundly({1: [("shmem_read", 0, 0, 3), ("shmem_truncate", 0, 0, 3)]}).results == {1: [0, 0]}


@pytest.mark.parametrize("version", [1, 2])
def test_charges_of_files(machine: Make, version: int) -> None:
    m = machine(shmem=FILES, memcg={"version": version, "limit_pages": 4})
    m.play_soundly({0: [("shmem_write", 0, 0, 8)]})
    with Snapshot(m.buf) as s:
        memcg = s.memcg(1)
        assert memcg.memory <= 4
        assert (memcg.memsw if version == 1 else memcg.memory + memcg.swap) >= 8
    m.play_soundly({1: [("shmem_read", 0, 0, 8), ("shmem_truncate", 0, 0, 8)]})
    with Snapshot(m.buf) as s:
        memcg = s.memcg(1)
        assert (memcg.memory, memcg.memsw, memcg.swap) == (0, 0, 0)


def test_everybody_at_one_file(machine: Make, schedules: int) -> None:
    m = written_out(machine)
    race: Scripts = {
        0: [("shmem_read", 0, 0, 3), ("shmem_write", 0, 1)],
        1: [("shmem_truncate", 0, 0, 2), ("shmem_write", 0, 0, 2), ("reclaim", 4)],
        2: [("reclaim", 6), ("shmem_read", 0, 0, 6)],
    }
    played = m.play_soundly(race, schedules)
    assert [results[0] for cpu, results in sorted(played.results.items()) if cpu < 2] == [0, 0]


def test_swapoff_while_a_file_is_used(machine: Make, schedules: int) -> None:
    m = written_out(machine)
    race: Scripts = {
        0: [("swapoff",), ("swapon",)],
        1: [("shmem_read", 0, 0, 4), ("shmem_write", 0, 0, 4), ("reclaim", 2)],
        2: [("shmem_truncate", 0, 2, 4), ("shmem_write", 0, 2, 6)],
    }
    played = m.play_soundly(race, schedules // 2 + 1)
    assert (played.results[0], played.results[2]) == ([0, 0], [0, 0])


def test_files_and_processes_share_a_disk(machine: Make, schedules: int) -> None:
    m = machine(shmem=FILES, **DISK)
    m.play_soundly(
        {0: [("mm_init", 0), ("store", 0, 0, 4), ("shmem_write", 0, 0, 4), ("pageout", 0, 0, 4), ("reclaim", 8)]}
    )
    race: Scripts = {
        0: [("load", 0, 0, 4), ("dontneed", 0, 0, 2)],
        1: [("shmem_read", 0, 0, 4), ("shmem_truncate", 0, 0, 2)],
        2: [("reclaim", 4), ("shmem_write", 0, 1, 4)],
    }
    played = m.play_soundly(race, schedules // 2 + 1)
    assert (played.results[0], played.results[1]) == ([0, 0], [0, 0])
