"""A small lawful world in a real segment, and the forger's tools: words written past every operation and every lock.

Device 0, clusters of 16 slots: one mm with page 0 in folio 5, page 1 swapped out to slot 17, page 2 swapped out to slot
18 with its folio 6 still in the swap cache. All are charged to memcg 1.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from shm.geometry import Geometry
from shm.layout import format_segment, size_of
from shm.records import CLUSTER_FLAGS, GAUGES, WARNINGS, Span
from shm.segment import pack_header
from shm.snapshot import Snapshot, field_offsets

GEOMETRY = Geometry(
    cpus=2,
    devices=2,
    slots=60,
    cluster_slots=16,
    tables=16,
    blocks=32,
    folios=16,
    mms=2,
    pages=16,
    memcgs=2,
    payload_bytes=64,
    trace_records=8,
    lock_kind=0,
    ext_tables=2,
    cont_pages=2,
    generations=1,
    inodes=2,
    inode_pages=4,
    zeromap=1,
    zswap_pages=3,
)
STRUCTURES = {
    "control": "control_t",
    "percpu": "percpu_t",
    "wait_queues": "wait_queue",
    "swap_avail": "swap_avail_t",
    "si": "swap_info_struct",
    "clusters": "swap_cluster_info",
    "folios": "folio_t",
    "memcgs": "mem_cgroup",
    "mms": "mm_struct",
    "inodes": "inode_t",
    "zswap": "zswap_pool",
    "zswap_lrus": "zswap_lru",
    "zswap_entries": "zswap_entry",
}
NIL = 0xFFFFFFFF
SLOTS_MAP, SLOTS_TABLE = 1, 2  # slot_format
MAPPED, SWAPPED, CACHED = 0, 1, 2  # pages
MAPPED_PFN, CACHED_PFN, A_FREE_PFN = 5, 6, 7
SWAPPED_SLOT, CACHED_SLOT, A_FREE_SLOT = 17, 18, 20
PRESENT_PTE_BITS, SWAP_PTE_BITS = 0b111, 0b010
HAS_CACHE, BAD_BYTE, BAD_WORD = 0x40, 0x3F, 0xFFFFFFFFFFFFFFF8
UPTODATE, LOCKED, WRITEBACK, SWAPCACHE = 1 << 2, 1 << 0, 1 << 6, 1 << 7 | 1 << 8  # and swap-backed
ONLY_SWAPCACHE = 1 << 7
ERROR = 1 << 17
DIRTY, EXCLUSIVE, CLAIMED = 1 << 3, 1 << 12, 1 << 14
OFF_THE_LIST = 1 << 30
PTE_EXCLUSIVE, PTE_DIRTY = 4, 8
GOLDEN = 0x9E3779B97F4A7C15


def pte_of_slot(offset: int, device: int = 0) -> int:
    """A swap PTE."""
    return offset << 9 | device << 4 | SWAP_PTE_BITS


def pfn_word(pfn: int, count: int = 0) -> int:
    """A table word that names a folio, with the count bits of 7.1."""
    return count << 60 | pfn << 2 | 2


def shadow_word(shadow: int, count: int = 0) -> int:
    """A table word that holds a shadow, with the count bits of 7.1."""
    return count << 60 | shadow << 1 | 1


class World:
    """A formatted segment whose words are written by name."""

    def __init__(self, buf: mmap.mmap, geometry: Geometry = GEOMETRY) -> None:
        self.buf = buf
        self.geometry = geometry
        with Snapshot(buf) as snapshot:
            self.arrays: dict[str, Span] = snapshot.arrays()
            self.table_of_cluster = {
                (device, c.index): c.table for device in range(geometry.devices) for c in snapshot.clusters(device)
            }
        self.fields = field_offsets()

    def word(self, array: str, index: int, value: int) -> None:
        """Write one item of an array of plain words."""
        span = self.arrays[array]
        assert index < span.count
        self._write(span.offset + index * span.item, span.item, value)

    def put(self, array: str, index: int, field: str, value: int, *, nth: int = 0) -> None:
        """Write a field of a structure, or the first word of its `nth` item where it is an array."""
        span, (at, size) = self.arrays[array], self.fields[STRUCTURES[array]][field]
        assert index < span.count
        self._write(span.offset + index * span.item + at + nth * size, min(size, 8), value)

    def read(self, array: str, index: int, field: str | None = None) -> int:
        """One item of an array of plain words, or a field of a structure."""
        span = self.arrays[array]
        at, size = (0, span.item) if field is None else self.fields[STRUCTURES[array]][field]
        assert index < span.count
        at += span.offset + index * span.item
        return int.from_bytes(self.buf[at : at + size], "little")

    def warn(self, warning: str, cpu: int = 0) -> None:
        """Have a CPU warned once."""
        self.put("percpu", cpu, "warnings", 1, nth=WARNINGS.index(warning))
        self.put("percpu", cpu, "warned", 1 << WARNINGS.index(warning))

    def table_word(self, offset: int, word: int, device: int = 0) -> None:
        """Write the table word of a slot."""
        table = self.table_of_cluster[device, offset // self.geometry.cluster_slots]
        assert table is not None
        self.word("tables", table * self.geometry.cluster_slots + offset % self.geometry.cluster_slots, word)

    def page_digit(self, number: int, offset: int, digit: int) -> None:
        """Write a slot's digit in a continuation page, counted from 0."""
        self.word("cont_pages", number * self.geometry.slots + offset, digit)

    def extended(self, number: int, offset: int, count: int) -> None:
        """Write a slot's count in an extend table, counted from 0."""
        per = self.geometry.cluster_slots
        self.word("ext_tables", number * per + offset % per, count)

    def page(self, page: int, pte: int, expected: int, mm: int = 0) -> None:
        """Write a PTE and what the program stored there last."""
        self.word("ptes", mm * self.geometry.pages + page, pte)
        self.word("expected", mm * self.geometry.pages + page, expected)

    def keep_in_zswap(self, entry: int, slot: int, page: int, stamp: int, memcg: int = 1) -> None:
        """Have zswap keep a page for a slot, alone on the list of a memcg; all other entries are free."""
        others = [each for each in range(1, self.geometry.zswap_pages + 1) if each != entry]
        self.put("zswap", 0, "free_entries", others[0])
        for before, after in zip(others, [*others[1:], 0], strict=True):
            self.word("zswap_next", before, after)
        self.put("zswap", 0, "stored_pages", 1)
        self.word("zswap_tree", slot, entry)
        self.put("zswap_entries", entry, "swpentry", slot)
        self.put("zswap_entries", entry, "memcg", memcg)
        for nth, value in enumerate((entry, entry, 1)):
            self.put("zswap_lrus", memcg, "list", value, nth=nth)
        self.content("zswap_pages", entry - 1, page, stamp)

    def lock_page_table(self, mm: int) -> None:
        """Have CPU 1 hold the only page-table lock of an mm."""
        self.word_of_lock("ptls", mm, 7 << 8 | 2)

    def word_of_lock(self, array: str, index: int, value: int) -> None:
        """Write the word of a lock."""
        span = self.arrays[array]
        self._write(span.offset + index * span.item, 8, value)

    def content(self, array: str, index: int, page: int, stamp: int, identity: int | None = None) -> None:
        """Write a payload as workers/mm/content.pxd tells: identity, stamp, pattern."""
        span = self.arrays[array]
        at = span.offset + index * span.item
        whose = (1 << 32 | page) if identity is None else identity
        seed = (whose ^ stamp) * GOLDEN & 0xFFFFFFFFFFFFFFFF
        words = [whose, stamp, *((seed + i) & 0xFFFFFFFFFFFFFFFF for i in range(2, span.item // 8))]
        for i, word in enumerate(words):
            self._write(at + 8 * i, 8, word)

    def cluster(self, index: int, **fields: int) -> None:
        """Write fields of a cluster of device 0."""
        for field, value in fields.items():
            self.put("clusters", index, field, value)

    def list_of(self, flag: str, members: Sequence[int]) -> None:
        """Make a list of device 0 hold exactly these clusters, with their flags."""
        number = CLUSTER_FLAGS.index(flag)
        ends = (members[0], members[-1], len(members)) if members else (NIL, NIL, 0)
        for i, value in enumerate(ends):
            self._write(self._list_at(number) + 4 * i, 4, value)
        for before, at, after in zip([NIL, *members[:-1]], members, [*members[1:], NIL], strict=True):
            self.cluster(at, flags=number, prev=before, next=after)

    def list_length(self, flag: str, length: int) -> None:
        """Write the length of a list of device 0."""
        self._write(self._list_at(CLUSTER_FLAGS.index(flag)) + 8, 4, length)

    def free_stacks(self, stacks: Sequence[Sequence[int]]) -> None:
        """Make the free stacks of the CPUs hold exactly these folios."""
        for cpu, stack in enumerate(stacks):
            self.put("percpu", cpu, "free_head", (3 << 32) | (stack[0] if stack else 0))
            for pfn, after in zip(stack, [*stack[1:], 0], strict=True):
                self.put("folios", pfn, "next_free", after)

    def _list_at(self, number: int) -> int:
        at, _ = self.fields["swap_info_struct"]["lists"]
        return self.arrays["si"].offset + at + 16 * number

    def _write(self, at: int, size: int, value: int) -> None:
        self.buf[at : at + size] = (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")


@contextmanager
def fresh(geometry: Geometry = GEOMETRY) -> Iterator[World]:
    """A freshly formatted segment."""
    size = size_of(geometry)
    with mmap.mmap(-1, size) as buf:
        header = pack_header(size, geometry.words())
        buf[: len(header)] = header
        format_segment(buf, geometry, True)
        yield World(buf, geometry)


def inhabit(world: World, memcg_version: int) -> None:
    """Make the fresh world the one that is told at the top of this file."""
    world.put("control", 0, "memcg_version", memcg_version)
    world.put("mms", 0, "state", 1)
    world.put("mms", 0, "on_mmlist", 1)
    world.put("control", 0, "nr_swap_pages", 2 * (world.geometry.slots - 1) - 2)
    world.free_stacks([[2, 4, 8, 10, 12, 14], [1, 3, A_FREE_PFN, 9, 11, 13, 15]])
    free_table = 15
    world.table_of_cluster[0, 1] = free_table
    world.cluster(1, count=2, table=free_table + 1)
    world.list_of("free", [2])
    world.list_of("nonfull", [0, 3, 1])
    world.put("si", 0, "inuse_pages", 2)
    for pfn in (MAPPED_PFN, CACHED_PFN):
        world.put("folios", pfn, "refcount", 1)
        world.put("folios", pfn, "memcg", 1)
        world.put("folios", pfn, "head", pfn)
        world.put("folios", pfn, "flags", UPTODATE)
    world.put("folios", MAPPED_PFN, "mapcount", 1)
    world.put("folios", CACHED_PFN, "flags", UPTODATE | SWAPCACHE)
    world.put("folios", CACHED_PFN, "index", CACHED)
    world.put("folios", CACHED_PFN, "swap", CACHED_SLOT)
    world.put("percpu", 0, "gauges", 2, nth=GAUGES.index("nr_swapcache"))
    world.put("percpu", 1, "gauges", -1, nth=GAUGES.index("nr_swapcache"))
    world.page(MAPPED, MAPPED_PFN << 9 | PRESENT_PTE_BITS, 100)
    world.page(SWAPPED, pte_of_slot(SWAPPED_SLOT), 101)
    world.page(CACHED, pte_of_slot(CACHED_SLOT), 102)
    world.content("payloads", MAPPED_PFN, MAPPED, 100)
    world.content("payloads", CACHED_PFN, CACHED, 102)
    world.content("blocks", 0, SWAPPED, 101)
    world.word("handles", SWAPPED_SLOT, 1)
    world.content("blocks", 1, CACHED, 102)
    world.word("handles", CACHED_SLOT, 2)
    counted = int(world.geometry.slot_format == SLOTS_TABLE)
    if not counted:
        world.word("swap_map", SWAPPED_SLOT, 1)
        world.word("swap_map", CACHED_SLOT, 1 if world.geometry.slot_format else 1 | HAS_CACHE)
    world.table_word(SWAPPED_SLOT, shadow_word(77, counted))
    world.table_word(CACHED_SLOT, pfn_word(CACHED_PFN, counted))
    world.word("swap_cgroup", SWAPPED_SLOT, 1)
    world.word("swap_cgroup", CACHED_SLOT, 0 if memcg_version == 1 else 1)
    recorded = 1 if memcg_version == 1 else 2
    charges = {"memory": 2, "memsw": 3} if memcg_version == 1 else {"memory": 2, "swap": 2}
    for counter, value in {**charges, "nr_swap": recorded, "id_refs": recorded + 1, "swapcached": 1}.items():
        world.put("memcgs", 1, counter, value)


@contextmanager
def inhabited(memcg_version: int = 2, slot_format: int = 0) -> Iterator[World]:
    """The world that is told at the top of this file, with counters of that cgroup version, slots of that format."""
    with fresh(replace(GEOMETRY, slot_format=slot_format)) as world:
        inhabit(world, memcg_version)
        yield world
