"""The read-only Python view of a segment: tests, pages and documentation see memory only here.

Nothing is locked and nothing is written. At rest the view is exact; of living CPUs it is a glance, each word by itself
true; of a segment whose CPUs have died it is evidence. Every walk is bounded, and every index is checked before it is
followed.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy

from shm.arrays cimport spans
from shm.cluster cimport (
    CLUSTER_FLAG_FRAG, CLUSTER_FLAG_NONFULL, CLUSTER_NIL, NR_CLUSTER_FLAGS, cluster_list_of, swap_cluster_info,
)
from shm.folio cimport folio_t
from shm.histogram cimport NR_BUCKETS, bucket_lower, histogram_t
from shm.layout cimport (
    HEADER_BYTES, cluster_of, control_t, expected_of, file_page, geometry_t, layout_place, mapping_of, payload_of, percpu_of,
    ptes_of, shmem_expected_of, trace_of, unmapped_of,
)
from shm.lock cimport generation_of, holder_of, lock_t
from shm.memcg cimport COUNTER_MEMORY, COUNTER_MEMSW, COUNTER_SWAP, CSS_MEMBER, CSS_ONLINE, mem_cgroup
from shm.mm cimport (
    MMLIST_ON, PTE_DIRTY, PTE_SWP_EXCLUSIVE, PTE_WRITE, is_migration_pte, is_poisoned_pte, is_swap_pte, mm_struct, pte_of_migration, pte_pfn,
    pte_present, pte_to_swp_entry,
)
from shm.percpu cimport percpu_t
from shm.shmem cimport inode_t, radix_order, radix_to_swp_entry, word_is_folio, word_is_swap
from shm.slots cimport slot_byte, slot_count, slot_in_zswap, slot_is_bad, slot_is_zero, slot_word
from shm.swap_map cimport SWAP_HAS_CACHE
from shm.swapfile cimport (
    MAX_SWAPFILES, SWP_SYNCHRONOUS_IO, SWP_USED, SWP_WRITEOK, device_t, swap_info_struct, swap_usage_in_pages,
)
from shm.swp_entry cimport swp_offset, swp_type
from shm.trace cimport trace_record
from shm.zone cimport NR_PAGE_ORDERS

from dataclasses import fields

from shm.arrays import field_offsets
from shm.encoding import decode_table_word
from shm.errors import GeometryError, SegmentError
from shm.geometry import Geometry
from shm.records import (
    CLUSTER_FLAGS, EVENTS, FOLIO_FLAGS, GAUGES, INJECTIONS, LATENCIES, LOCK_CLASSES, MM_STATES, PHASES, TRACE_KINDS, WAIT_MODES,
    WAITS, WARNINGS, Cluster, Control, Device, Entry, FilePage, Folio, HeldLock, Inode, Memcg, Mm, PerCpu,
    Pte, Slot, Span, TraceRecord, Wait, Warned, Zswap, name_of,
)

NO_LIMIT = 1 << 62  # what the format writes where a memcg has no limit


cdef object entry_of(uint64_t entry):
    return Entry(swp_type(entry), swp_offset(entry)) if entry else None


cdef object index_or_none(uint32_t index):
    return None if index == CLUSTER_NIL else index


cdef object less_one(uint64_t number):
    """A number that is kept plus 1, so that 0 means none."""
    return number - 1 if number else None


cdef object limit_of(int64_t pages):
    return None if pages >= NO_LIMIT else pages


cdef class Snapshot:
    """A segment, formatted, in an object that gives the buffer protocol. Use it in a `with` block, or `release` it:
    the mapping cannot be closed before. SegmentError: the buffer holds no formatted segment, or not all of one.
    """

    def __cinit__(self, buf):
        cdef geometry_t geo
        cdef uint64_t *words = <uint64_t *>&geo
        PyObject_GetBuffer(buf, &self.view, PyBUF_SIMPLE)
        self.open = True
        if self.view.len < HEADER_BYTES:
            raise SegmentError(f"the buffer has {self.view.len} bytes: a segment's header alone has {HEADER_BYTES}")
        memcpy(&geo, <char *>self.view.buf + 64, sizeof(geometry_t))
        try:
            self.geometry = Geometry(*[words[i] for i in range(len(fields(Geometry)))])
        except GeometryError as error:
            raise SegmentError(f"the buffer holds no formatted segment: {error}") from None
        if layout_place(&self.m, &geo, <char *>self.view.buf) > <uint64_t>self.view.len:
            raise SegmentError(f"the buffer has {self.view.len} bytes, the segment in it {self.m.size}: it is cut")

    def __dealloc__(self):
        if self.open:
            PyBuffer_Release(&self.view)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace) -> None:
        self.release()

    def release(self) -> None:
        """Give the buffer back, once or often. Nothing can be asked afterwards."""
        if self.open:
            self.open = False
            PyBuffer_Release(&self.view)

    cdef int within(self, str what, object index, uint64_t count) except -1:
        if not self.open:
            raise SegmentError("the snapshot is released: open another one")
        if not 0 <= index < count:
            raise IndexError(f"{what} {index}: the segment has {count}, counted from 0")
        return 0

    def control(self) -> Control:
        """The control words."""
        self.within("control", 0, 1)
        cdef control_t *c = self.m.control
        return Control(
            c.stop != 0, c.measuring != 0, c.hz, c.tick_ns, c.memcg_version, c.readahead_pages,
            {name: c.inject_ppm[i] for i, name in enumerate(INJECTIONS) if c.inject_ppm[i]},
            c.lockdep != 0, c.nr_swap_pages, c.total_swap_pages, c.nr_writeback, c.cpus_working, c.i_pages != 0,
        )

    def available(self) -> tuple[int, ...]:
        """Devices that allocation may ask, in the order in which it does."""
        self.within("device", 0, 1)
        return tuple([self.m.swap_avail.device[i] for i in range(min(self.m.swap_avail.nr, MAX_SWAPFILES))])

    def devices(self) -> list[Device]:
        """All swap devices."""
        return [self.device(i) for i in range(self.geometry.devices)]

    def device(self, device: int) -> Device:
        """One swap device. IndexError: there is none of that number."""
        self.within("device", device, self.m.geo.devices)
        cdef swap_info_struct *si = &self.m.si[<uint32_t>device]
        cdef device_t *d = &self.m.devices[<uint32_t>device]
        users = sum([percpu_of(&self.m, cpu).users[<uint32_t>device] for cpu in range(self.m.geo.cpus)])
        return Device(
            si.flags & SWP_USED != 0, si.flags & SWP_WRITEOK != 0, si.flags & SWP_SYNCHRONOUS_IO != 0, si.dead != 0,
            swap_usage_in_pages(si), si.pages, si.max,
            self.lists_of(device),
            users, d.in_flight, d.read_ns, d.write_ns,
        )

    cdef dict lists_of(self, uint32_t device):
        """By flag; the lists of an order above 0 as `nonfull[1]`."""
        lists = {CLUSTER_FLAGS[flag]: self.list_of(device, flag) for flag in range(NR_CLUSTER_FLAGS)}
        for order in range(1, self.m.cluster_orders):
            for flag in (CLUSTER_FLAG_NONFULL, CLUSTER_FLAG_FRAG):
                lists[f"{CLUSTER_FLAGS[flag]}[{order}]"] = self.list_of(device, cluster_list_of(flag, order))
        return lists

    cdef list list_of(self, uint32_t device, uint32_t which):
        """Clusters from head on, no more than there are."""
        cdef uint32_t at = self.m.si[device].lists[which].head
        cdef list found = []
        while at < self.m.clusters_per_device and len(found) < self.m.clusters_per_device:
            found.append(at)
            at = cluster_of(&self.m, device, at).next
        return found

    def clusters(self, device: int):
        """Iterator over the clusters of a device, in the order of their slots."""
        self.within("device", device, self.m.geo.devices)
        return (self.cluster(device, i) for i in range(self.geometry.clusters))

    def cluster(self, device: int, index: int) -> Cluster:
        """One cluster of a device."""
        self.within("device", device, self.m.geo.devices)
        self.within("cluster", index, self.m.clusters_per_device)
        cdef swap_cluster_info *ci = cluster_of(&self.m, device, index)
        return Cluster(
            index, ci.count, name_of(CLUSTER_FLAGS, ci.flags), ci.order, less_one(ci.table), index_or_none(ci.prev),
            index_or_none(ci.next), less_one(ci.owner), less_one(holder_of(ci.lock.word) + 1),
        )

    def slot(self, device: int, offset: int) -> Slot:
        """One slot of a device, by its offset."""
        self.within("device", device, self.m.geo.devices)
        self.within("slot", offset, self.m.geo.slots)
        cdef uint64_t at = <uint64_t>device * self.m.geo.slots + <uint64_t>offset, word = slot_word(&self.m, at)
        kind, value = decode_table_word(word)
        return Slot(
            slot_byte(&self.m, at), slot_count(&self.m, at), slot_byte(&self.m, at) & SWAP_HAS_CACHE != 0,
            slot_is_bad(&self.m, at), word, kind, value, self.m.swap_cgroup[at], less_one(self.m.handles[at]),
            slot_is_zero(&self.m, at), slot_in_zswap(&self.m, at) or None,
        )

    def zswap(self) -> Zswap:
        """The pool of zswap. IndexError: the segment has none."""
        self.within("zswap", 0, 1 if self.m.geo.zswap_pages else 0)
        cdef uint32_t memcg
        lists = {memcg: self.zswap_list(memcg) for memcg in range(self.m.geo.memcgs + 1)}
        return Zswap(self.m.geo.zswap_pages, self.m.zswap.stored_pages, self.m.zswap.reached_full != 0,
                     {memcg: entries for memcg, entries in lists.items() if entries})

    cdef list zswap_list(self, uint32_t memcg):
        """Entries from the tail on, no more than there are."""
        cdef uint32_t at = self.m.zswap_lrus[memcg].list.tail
        cdef list found = []
        while 0 < at <= self.m.geo.zswap_pages and len(found) < self.m.geo.zswap_pages:
            found.append(at)
            at = self.m.zswap_entries[at].lru_prev
        return found

    def folio(self, pfn: int) -> Folio:
        """One folio. PFN 0 exists and is never used."""
        self.within("folio", pfn, self.m.geo.folios)
        cdef folio_t *folio = &self.m.folios[<uint64_t>pfn]
        cdef uint64_t *payload = <uint64_t *>payload_of(&self.m, pfn)
        flags = tuple([name for bit, name in enumerate(FOLIO_FLAGS) if folio.flags >> <uint32_t>bit & 1])
        return Folio(
            pfn, flags, folio.refcount, folio.mapcount, less_one(folio.lock_owner), entry_of(folio.swap), folio.memcg,
            folio.anon_vma, folio.index, payload[0], payload[1], folio.order, folio.head,
        )

    def free_folios(self) -> list[int]:
        """PFNs on the CPUs' free stacks, from the top of the first CPU's, and those of the zone's free blocks."""
        self.within("cpu", 0, self.m.geo.cpus)
        found = []
        for order in range(NR_PAGE_ORDERS):
            pfn = self.m.zone.free_area[<uint32_t>order].head
            while 0 < pfn < self.m.geo.folios and len(found) < self.m.geo.folios:
                found += range(pfn, pfn + (1 << order))
                pfn = self.m.folios[<uint64_t>pfn].lru_next
        for cpu in range(self.m.geo.cpus):
            pfn = <uint32_t>percpu_of(&self.m, cpu).free_head
            while 0 < pfn < self.m.geo.folios and len(found) < self.m.geo.folios:
                found.append(pfn)
                pfn = self.m.folios[<uint64_t>pfn].next_free
        return found

    def mm(self, index: int) -> Mm:
        """One address space with its page table."""
        self.within("mm", index, self.m.geo.mms)
        cdef mm_struct *mm = &self.m.mms[<uint32_t>index]
        cdef uint64_t *ptes = ptes_of(&self.m, index)
        cdef uint64_t page
        found = []
        for page in range(self.m.geo.pages):
            if ptes[page] != 0:
                found.append(self.pte(page, ptes[page], expected_of(&self.m, index)[page]))
        return Mm(
            name_of(MM_STATES, mm.state), mm.mm_users, mm.anon_vma, mm.memcg, mm.on_mmlist == MMLIST_ON, mm.mmap_lock, found,
            [page for page in range(self.m.geo.pages) if unmapped_of(&self.m, index)[page]],
        )

    cdef object pte(self, uint64_t page, uint64_t pte, uint64_t expected):
        if is_migration_pte(pte):
            pte = pte_of_migration(pte)
        if pte_present(pte):
            return Pte(page, pte_pfn(pte), None, pte & PTE_WRITE != 0, pte & PTE_DIRTY != 0, False, expected, False)
        entry = entry_of(pte_to_swp_entry(pte)) if is_swap_pte(pte) else None
        return Pte(page, None, entry, False, False, entry is not None and pte & PTE_SWP_EXCLUSIVE != 0, expected,
                   is_poisoned_pte(pte))

    def inode(self, index: int) -> Inode:
        """One file of tmpfs with the pages that it has."""
        self.within("inode", index, self.m.geo.inodes)
        cdef inode_t *inode = &self.m.inodes[<uint32_t>index]
        cdef uint64_t *words = mapping_of(&self.m, index)
        cdef uint64_t page
        found = []
        for page in range(self.m.geo.inode_pages):
            if words[page]:
                found.append(FilePage(
                    page, file_page(&self.m, words[page], page) if word_is_folio(words[page]) else None,
                    entry_of(radix_to_swp_entry(words[page])) if word_is_swap(words[page]) else None,
                    radix_order(words[page]) if word_is_swap(words[page]) else 0, shmem_expected_of(&self.m, index)[page],
                ))
        return Inode(inode.nrpages, inode.swapped, inode.on_swaplist != 0, found)

    def memcg(self, index: int) -> Memcg:
        """One memory cgroup, counted from 1; 0 is charged when there is none."""
        self.within("memcg", index, self.m.geo.memcgs + 1)
        cdef mem_cgroup *memcg = &self.m.memcgs[<uint32_t>index]
        return Memcg(
            memcg.parent, memcg.css & CSS_ONLINE != 0, memcg.css // CSS_MEMBER,
            memcg.counters[COUNTER_MEMORY].usage, memcg.counters[COUNTER_MEMSW].usage,
            memcg.counters[COUNTER_SWAP].usage, memcg.id_refs, memcg.nr_swap, memcg.swapcached, memcg.oom_events,
            limit_of(memcg.counters[COUNTER_MEMORY].max), limit_of(memcg.counters[COUNTER_MEMSW].max),
            limit_of(memcg.counters[COUNTER_SWAP].max), (memcg.lru[0].nr, memcg.lru[1].nr),
        )

    def percpu(self, cpu: int) -> PerCpu:
        """The block of one CPU."""
        self.within("cpu", cpu, self.m.geo.cpus)
        cdef percpu_t *pc = percpu_of(&self.m, cpu)
        devices = range(self.m.geo.devices)
        return PerCpu(
            name_of(PHASES, pc.phase), pc.operation, name_of(WAIT_MODES, pc.wait_mode),
            tuple([pc.users[i] for i in devices]), tuple([entry_of(pc.cluster_next[i]) for i in range(self.m.cluster_orders)]),
            entry_of(pc.reserved_entry), entry_of(pc.claimed_entry),
            {name: pc.events[i] for i, name in enumerate(EVENTS)},
            {name: pc.gauges[i] for i, name in enumerate(GAUGES)},
            {n: Wait(pc.waits[i].count, pc.waits[i].total_ns, pc.waits[i].max_ns) for i, n in enumerate(WAITS)},
            {n: Warned(pc.warnings[i].count, pc.warnings[i].a, pc.warnings[i].b, pc.warnings[i].c)
             for i, n in enumerate(WARNINGS)},
        )

    def histogram(self, latency: str) -> dict:
        """Latencies of one kind over all CPUs, in the shape of workers.outcome.Histogram: bounds in ns, empty buckets
        left out. ValueError: no such latency."""
        if latency not in LATENCIES:
            raise ValueError(f"no latency {latency!r}: there are {', '.join(LATENCIES)}")
        self.within("cpu", 0, self.m.geo.cpus)
        cdef uint32_t which = LATENCIES.index(latency), bucket, cpu
        cdef uint64_t count
        cdef histogram_t *h
        out = {"lower_ns": [], "upper_ns": [], "counts": [], "total": 0, "sum_ns": 0, "max_ns": 0}
        for bucket in range(NR_BUCKETS):
            count = 0
            for cpu in range(<uint32_t>self.m.geo.cpus):
                count += percpu_of(&self.m, cpu).latencies[which].counts[bucket]
            if count:
                out["lower_ns"].append(bucket_lower(bucket))
                out["upper_ns"].append(bucket_lower(bucket + 1))
                out["counts"].append(count)
        for cpu in range(<uint32_t>self.m.geo.cpus):
            h = &percpu_of(&self.m, cpu).latencies[which]
            out["total"] += h.total
            out["sum_ns"] += h.sum_ns
            out["max_ns"] = max(out["max_ns"], h.max_ns)
        return out

    def trace(self, cpu: int) -> list[TraceRecord]:
        """What is left in the trace ring of one CPU, oldest first."""
        self.within("cpu", cpu, self.m.geo.cpus)
        cdef uint64_t head = percpu_of(&self.m, cpu).trace_head, size = self.m.geo.trace_records, i
        cdef trace_record *r
        found = []
        for i in range(head - min(head, size), head):
            r = &trace_of(&self.m, cpu)[i % size]
            found.append(TraceRecord(r.at_ns, name_of(TRACE_KINDS, r.kind), entry_of(r.entry), r.pfn, r.arg))
        return found

    def arrays(self) -> dict[str, Span]:
        """Where each array of the segment lies, in address order."""
        self.within("segment", 0, 1)
        return spans(&self.m)

    def locks_held(self) -> list[HeldLock]:
        """Every lock of the segment that somebody holds, folio locks and mmap_locks left out, in address order."""
        self.within("segment", 0, 1)
        found = []
        for name, span in spans(&self.m).items():
            if name in LOCK_ARRAYS:
                for i in range(span.count):
                    at = span.offset + i * span.item + LOCK_ARRAYS[name]
                    add_held(<lock_t *>(self.m.base + <uint64_t>at), i, found)
        return found


LOCK_ARRAYS = {  # array of the segment -> offset of the lock in an item
    "wait_queues": 0, "mmlist_lock": 0, "swapon_mutex": 0, "swap_avail": 0, "si": 0, "devices": 0, "clusters": 0, "xa_locks": 0,
    "zone": 0, "memcgs": <uintptr_t>&(<mem_cgroup *>NULL).lru_lock, "anon_vmas": 0, "ptls": 0, "swaplist_lock": 0, "inodes": 0,
    "zswap_lrus": 0,
}


cdef void add_held(lock_t *l, uint64_t index, list found):
    if l.word != 0:
        found.append(HeldLock(name_of(LOCK_CLASSES, l.cls), index, holder_of(l.word), generation_of(l.word)))
