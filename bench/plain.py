"""The same fault and reclaim in plain Python: named posix_ipc semaphores as locks, arrays in shared memory as tables.

What one would write first: page table, swap table, swap_map, folios, LRU list, memcg counters and payloads lie in one
POSIX shared memory object, every lock of the kernel's path is a semaphore of its own, and one process is one CPU. The
path is that of the core for order-0 anonymous memory on a synchronous device: fault, swap-in, map; reclaim, swap-out,
unmap, remove from the swap cache with a shadow.
"""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import posix_ipc

from shm.segment import new_name

PAGES = 1024
FOLIOS = 256
SLOTS = 64 * 512
CLUSTER_SLOTS = 512
PAYLOAD_BYTES = 64
PTES_PER_LOCK = 512
HAS_CACHE = 0x40
PRESENT, SWAPPED = 1, 2  # low bits of a page-table word; the rest is PFN or slot
NIL = 0xFFFFFFFF


class PlainEmulator:
    """One address space of PAGES pages over FOLIOS folios. All objects are unlinked as soon as they are open."""

    def __init__(self) -> None:
        sizes: dict[str, tuple[int, Literal["Q", "I", "B"]]] = {
            "pte": (PAGES, "Q"), "table": (SLOTS, "Q"), "folio_swap": (FOLIOS, "Q"), "counters": (8, "Q"),
            "lru_next": (FOLIOS + 1, "I"), "lru_prev": (FOLIOS + 1, "I"), "refcount": (FOLIOS, "I"),
            "mapcount": (FOLIOS, "I"), "rmap": (FOLIOS, "I"), "free": (FOLIOS, "I"), "map": (SLOTS, "B"),
            "memory": (FOLIOS * PAYLOAD_BYTES, "B"), "device": (SLOTS * PAYLOAD_BYTES, "B"),
        }  # fmt: skip
        widths = {"Q": 8, "I": 4, "B": 1}
        total = sum(count * widths[code] for count, code in sizes.values())
        memory = posix_ipc.SharedMemory(new_name(), posix_ipc.O_CREX, size=total, mode=0o600)
        memory.unlink()
        self.mapping = mmap.mmap(memory.fd, total)
        os.close(memory.fd)
        view, at = memoryview(self.mapping), 0
        self.views: dict[str, Any] = {}
        for name, (count, code) in sizes.items():
            self.views[name] = view[at : at + count * widths[code]].cast(code)
            at += count * widths[code]
        for name, words in self.views.items():
            setattr(self, name, words)
        self.clusters = [self.semaphore() for _ in range(SLOTS // CLUSTER_SLOTS)]
        self.page_tables = [self.semaphore() for _ in range(PAGES // PTES_PER_LOCK)]
        self.folio_locks = [self.semaphore() for _ in range(FOLIOS)]
        self.lruvec, self.memcg = self.semaphore(), self.semaphore()
        self.lru_next[FOLIOS] = self.lru_prev[FOLIOS] = FOLIOS
        for pfn in range(FOLIOS):
            self.free[pfn] = pfn
        self.counters[0] = FOLIOS  # free folios; 1: charged, 2: swapped, 3: next slot to try
        for page in range(PAGES):
            self.pte[page] = 0

    pte: Any
    table: Any
    folio_swap: Any
    counters: Any
    lru_next: Any
    lru_prev: Any
    refcount: Any
    mapcount: Any
    rmap: Any
    free: Any
    map: Any
    memory: Any
    device: Any

    @staticmethod
    def semaphore() -> Any:
        semaphore = posix_ipc.Semaphore(new_name(), posix_ipc.O_CREX, mode=0o600, initial_value=1)
        semaphore.unlink()
        return semaphore

    @contextmanager
    def held(self, lock: Any) -> Iterator[None]:
        lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def take_folio(self) -> int:
        self.counters[0] -= 1
        return int(self.free[self.counters[0]])

    def give_folio(self, pfn: int) -> None:
        self.free[self.counters[0]] = pfn
        self.counters[0] += 1

    def lru_add(self, pfn: int) -> None:
        with self.held(self.lruvec):
            first = self.lru_next[FOLIOS]
            self.lru_next[pfn], self.lru_prev[pfn] = first, FOLIOS
            self.lru_prev[first] = self.lru_next[FOLIOS] = pfn

    def lru_take_oldest(self) -> int:
        with self.held(self.lruvec):
            pfn = int(self.lru_prev[FOLIOS])
            before = self.lru_prev[pfn]
            self.lru_next[before], self.lru_prev[FOLIOS] = FOLIOS, before
            return pfn

    def charge(self, index: int, by: int) -> None:
        with self.held(self.memcg):
            self.counters[index] += by

    def fault(self, page: int) -> None:
        """Makes a page present: zero fill, or swap-in of its slot."""
        page_table = self.page_tables[page // PTES_PER_LOCK]
        with self.held(page_table):
            entry = self.pte[page]
        if entry & PRESENT:
            return
        pfn = self.take_folio()
        self.charge(1, 1)
        self.refcount[pfn], self.mapcount[pfn], self.rmap[pfn] = 1, 0, page
        with self.held(self.folio_locks[pfn]):
            if entry & SWAPPED:
                self.swap_in(entry >> 2, pfn)
            else:
                self.memory[pfn * PAYLOAD_BYTES : (pfn + 1) * PAYLOAD_BYTES] = bytes([page & 0xFF]) * PAYLOAD_BYTES
            with self.held(page_table):
                if self.pte[page] != entry:
                    raise RuntimeError("the page table changed under one CPU")
                self.pte[page] = pfn << 2 | PRESENT
                self.refcount[pfn] += 1
                self.mapcount[pfn] += 1
            if entry & SWAPPED:
                self.free_slot(entry >> 2, pfn)
            self.lru_add(pfn)
        self.refcount[pfn] -= 1

    def swap_in(self, slot: int, pfn: int) -> None:
        with self.held(self.clusters[slot // CLUSTER_SLOTS]):
            if self.map[slot] & HAS_CACHE or self.map[slot] == 0:
                raise RuntimeError(f"slot {slot} is cached or free")
            self.map[slot] |= HAS_CACHE
            self.table[slot] = pfn << 2 | SWAPPED
            self.refcount[pfn] += 1
        self.folio_swap[pfn] = slot
        here, there = pfn * PAYLOAD_BYTES, slot * PAYLOAD_BYTES
        self.memory[here : here + PAYLOAD_BYTES] = self.device[there : there + PAYLOAD_BYTES]

    def free_slot(self, slot: int, pfn: int) -> None:
        with self.held(self.clusters[slot // CLUSTER_SLOTS]):
            self.map[slot] = 0
            self.table[slot] = 0
            self.refcount[pfn] -= 1
        self.charge(2, -1)

    def allocate_slot(self, pfn: int) -> int:
        slot = int(self.counters[3])
        while True:
            with self.held(self.clusters[slot // CLUSTER_SLOTS]):
                if self.map[slot] == 0:
                    self.map[slot] = HAS_CACHE
                    self.table[slot] = pfn << 2 | SWAPPED
                    self.refcount[pfn] += 1
                    self.counters[3] = (slot + 1) % SLOTS
                    return slot
            slot = (slot + 1) % SLOTS

    def reclaim(self) -> None:
        """Swaps the oldest folio out and frees it."""
        pfn = self.lru_take_oldest()
        page = int(self.rmap[pfn])
        with self.held(self.folio_locks[pfn]):
            slot = self.allocate_slot(pfn)
            self.charge(2, 1)
            with self.held(self.page_tables[page // PTES_PER_LOCK]):
                self.pte[page] = slot << 2 | SWAPPED
                with self.held(self.clusters[slot // CLUSTER_SLOTS]):
                    self.map[slot] += 1
                self.mapcount[pfn] -= 1
                self.refcount[pfn] -= 1
            here, there = pfn * PAYLOAD_BYTES, slot * PAYLOAD_BYTES
            self.device[there : there + PAYLOAD_BYTES] = self.memory[here : here + PAYLOAD_BYTES]
            with self.held(self.clusters[slot // CLUSTER_SLOTS]):
                self.map[slot] &= 0xFF ^ HAS_CACHE
                self.table[slot] = self.counters[3] << 1 | 1
                self.refcount[pfn] -= 1
        self.charge(1, -1)
        self.give_folio(pfn)

    def close(self) -> None:
        for name, words in self.views.items():
            delattr(self, name)
            words.release()
        for lock in (*self.clusters, *self.page_tables, *self.folio_locks, self.lruvec, self.memcg):
            lock.close()


def fault_and_reclaim_us(faults: int) -> float:
    """CPU time in us of one swap-in fault and one reclaim, over `faults` of them, each page verified at the end."""
    emulator = PlainEmulator()
    try:
        for page in range(PAGES):
            if emulator.counters[0] == 0:
                emulator.reclaim()
            emulator.fault(page)
        started = time.process_time_ns()
        for number in range(faults):
            emulator.reclaim()
            emulator.fault(number % PAGES)
        used = time.process_time_ns() - started
        for page in range(PAGES):
            word = int(emulator.pte[page])
            where = emulator.memory if word & PRESENT else emulator.device
            if where[(word >> 2) * PAYLOAD_BYTES] != page & 0xFF:
                raise RuntimeError(f"page {page} holds what another page held")
        return used / faults / 1000
    finally:
        emulator.close()
