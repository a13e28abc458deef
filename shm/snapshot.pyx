"""The read-only Python view of a segment: tests, pages and documentation see memory only here.

Nothing is locked and nothing is written. At rest the view is exact; of living CPUs it is a glance, each word by itself
true; of a segment whose CPUs have died it is evidence. Every walk is bounded, and every index is checked before it is
followed.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy

from shm.cluster cimport CLUSTER_NIL, NR_CLUSTER_LISTS, cluster_list, swap_cluster_info
from shm.folio cimport folio_t
from shm.histogram cimport NR_BUCKETS, bucket_lower, histogram_t
from shm.layout cimport (
    HEADER_BYTES, NR_WAIT_QUEUES, cluster_of, control_t, expected_of, geometry_t, layout_place, layout_t, payload_of,
    percpu_of, ptes_of, table_of, trace_of, wait_queue,
)
from shm.lock cimport generation_of, holder_of, lock_t
from shm.memcg cimport COUNTER_MEMORY, COUNTER_MEMSW, COUNTER_SWAP, CSS_MEMBER, CSS_ONLINE, mem_cgroup
from shm.mm cimport (
    MMLIST_ON, PTE_DIRTY, PTE_SWP_EXCLUSIVE, PTE_WRITE, anon_vma_t, is_migration_pte, is_swap_pte, mm_struct, pte_pfn,
    pte_present, pte_to_swp_entry,
)
from shm.percpu cimport percpu_t
from shm.slots cimport slot_byte, slot_count, slot_is_bad, slot_word
from shm.swap_map cimport SLOTS_TABLE, SWAP_HAS_CACHE
from shm.swapfile cimport (
    SWP_SYNCHRONOUS_IO, SWP_USED, SWP_WRITEOK, device_t, io_request, swap_info_struct,
)
from shm.swp_entry cimport swp_offset, swp_type
from shm.trace cimport trace_record
from shm.vmstat cimport warn_t
from shm.zone cimport NR_PAGE_ORDERS, zone_t

from dataclasses import fields

from shm.encoding import decode_table_word
from shm.errors import GeometryError, SegmentError
from shm.geometry import Geometry
from shm.records import (
    CLUSTER_FLAGS, EVENTS, FOLIO_FLAGS, GAUGES, INJECTIONS, LATENCIES, LOCK_CLASSES, MM_STATES, PHASES, TRACE_KINDS, WAIT_MODES,
    WAITS, WARNINGS, Cluster, Control, Device, Entry, Folio, HeldLock, Memcg, Mm, PerCpu, Pte, Slot, Span, TraceRecord,
    Wait, Warned, name_of,
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
            si.inuse_pages, si.pages, si.max,
            {CLUSTER_FLAGS[i]: self.list_of(device, i) for i in range(NR_CLUSTER_LISTS)},
            users, d.in_flight, d.read_ns, d.write_ns,
        )

    cdef list list_of(self, uint32_t device, uint32_t flag):
        """Clusters from head on, no more than there are."""
        cdef uint32_t at = self.m.si[device].lists[flag].head
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
        )

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
        )

    cdef object pte(self, uint64_t page, uint64_t pte, uint64_t expected):
        if pte_present(pte) or is_migration_pte(pte):
            return Pte(page, pte_pfn(pte), None, pte & PTE_WRITE != 0, pte & PTE_DIRTY != 0, False, expected)
        entry = entry_of(pte_to_swp_entry(pte)) if is_swap_pte(pte) else None
        return Pte(page, None, entry, False, False, pte & PTE_SWP_EXCLUSIVE != 0, expected)

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
            tuple([pc.users[i] for i in devices]), tuple([less_one(pc.cluster[i]) for i in devices]),
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
    "wait_queues": 0, "mmlist_lock": 0, "swapon_mutex": 0, "si": 0, "devices": 0, "clusters": 0, "xa_locks": 0,
    "zone": 0, "memcgs": <uintptr_t>&(<mem_cgroup *>NULL).lru_lock, "anon_vmas": 0, "ptls": 0,
}


cdef void add_held(lock_t *l, uint64_t index, list found):
    if l.word != 0:
        found.append(HeldLock(name_of(LOCK_CLASSES, l.cls), index, holder_of(l.word), generation_of(l.word)))


cdef dict spans(layout_t *m):
    cdef uint64_t slots = m.geo.slots * m.geo.devices, base = <uintptr_t>m.base, nr
    nr = m.geo.devices
    rows = {
        "control": (<uintptr_t>m.control, sizeof(control_t), 1),
        "percpu": (<uintptr_t>m.percpu, m.percpu_stride, m.geo.cpus),
        "traces": (<uintptr_t>m.traces, sizeof(trace_record), m.geo.cpus * m.geo.trace_records),
        "wait_queues": (<uintptr_t>m.wait_queues, sizeof(wait_queue), NR_WAIT_QUEUES),
        "mmlist_lock": (<uintptr_t>m.mmlist_lock, sizeof(lock_t), 1),
        "swapon_mutex": (<uintptr_t>m.swapon_mutex, sizeof(lock_t), 1),
        "si": (<uintptr_t>m.si, sizeof(swap_info_struct), nr),
        "devices": (<uintptr_t>m.devices, sizeof(device_t), nr),
        "requests": (<uintptr_t>m.requests, sizeof(io_request), nr * m.geo.folios),
        "clusters": (<uintptr_t>m.clusters, sizeof(swap_cluster_info), nr * m.clusters_per_device),
        "xa_locks": (<uintptr_t>m.xa_locks, sizeof(lock_t), nr * m.xa_per_device),
        "tables_head": (<uintptr_t>m.tables_head, 8, 1),
        "table_next": (<uintptr_t>m.table_next, 4, m.geo.tables + 1),
        "tables": (<uintptr_t>m.tables, 8, m.geo.tables * m.geo.cluster_slots),
        "swap_map": (<uintptr_t>m.swap_map, 1, 0 if m.geo.slot_format == SLOTS_TABLE else slots),
        "cont_heads": (<uintptr_t>m.cont_heads, 4, nr * m.map_pages_per_device if m.geo.cont_pages else 0),
        "cont_head": (<uintptr_t>m.cont_head, 8, 1),
        "cont_next": (<uintptr_t>m.cont_next, 4, m.geo.cont_pages + 1),
        "cont_pages": (<uintptr_t>m.cont_pages, 1, m.geo.cont_pages * m.cont_page_slots),
        "ext_head": (<uintptr_t>m.ext_head, 8, 1),
        "ext_next": (<uintptr_t>m.ext_next, 4, m.geo.ext_tables + 1),
        "ext_tables": (<uintptr_t>m.ext_tables, 4, m.geo.ext_tables * m.geo.cluster_slots),
        "swap_cgroup": (<uintptr_t>m.swap_cgroup, 2, slots),
        "handles": (<uintptr_t>m.handles, 4, slots),
        "block_next": (<uintptr_t>m.block_next, 4, nr * (m.geo.blocks + 1)),
        "blocks": (<uintptr_t>m.blocks, m.geo.payload_bytes, nr * m.geo.blocks),
        "zone": (<uintptr_t>m.zone, sizeof(zone_t), 1),
        "folios": (<uintptr_t>m.folios, sizeof(folio_t), m.geo.folios),
        "payloads": (<uintptr_t>m.payloads, m.geo.payload_bytes, m.geo.folios),
        "memcgs": (<uintptr_t>m.memcgs, sizeof(mem_cgroup), m.geo.memcgs + 1),
        "anon_vmas": (<uintptr_t>m.anon_vmas, sizeof(anon_vma_t), m.geo.mms),
        "mms": (<uintptr_t>m.mms, sizeof(mm_struct), m.geo.mms),
        "ptls": (<uintptr_t>m.ptls, sizeof(lock_t), m.geo.mms * m.ptls_per_mm),
        "ptes": (<uintptr_t>m.ptes, 8, m.geo.mms * m.geo.pages),
        "expected": (<uintptr_t>m.expected, 8, m.geo.mms * m.geo.pages),
    }
    return {name: Span(at - base, item, count) for name, (at, item, count) in rows.items()}


def field_offsets() -> dict[str, dict[str, tuple[int, int]]]:
    """Offset and bytes of the fields that tools look at or that tests forge, by structure."""
    cdef folio_t *f = NULL
    cdef swap_cluster_info *ci = NULL
    cdef swap_info_struct *si = NULL
    cdef mem_cgroup *cg = NULL
    cdef percpu_t *pc = NULL
    cdef mm_struct *mm = NULL
    cdef wait_queue *q = NULL
    cdef zone_t *z = NULL
    cdef control_t *c = NULL
    return {
        "folio_t": {
            "flags": (<uintptr_t>&f.flags, 4), "refcount": (<uintptr_t>&f.refcount, 4),
            "mapcount": (<uintptr_t>&f.mapcount, 4), "lock_owner": (<uintptr_t>&f.lock_owner, 4),
            "swap": (<uintptr_t>&f.swap, 8), "memcg": (<uintptr_t>&f.memcg, 4), "order": (<uintptr_t>&f.order, 4),
            "head": (<uintptr_t>&f.head, 4), "next_free": (<uintptr_t>&f.next_free, 4),
            "lru_next": (<uintptr_t>&f.lru_next, 4),
        },
        "swap_cluster_info": {
            "lock": (<uintptr_t>&ci.lock.word, 8), "count": (<uintptr_t>&ci.count, 2),
            "flags": (<uintptr_t>&ci.flags, 1), "table": (<uintptr_t>&ci.table, 4), "prev": (<uintptr_t>&ci.prev, 4),
            "next": (<uintptr_t>&ci.next, 4), "owner": (<uintptr_t>&ci.owner, 4), "ext": (<uintptr_t>&ci.ext, 4),
            "swept": (<uintptr_t>&ci.swept, 4),
        },
        "swap_info_struct": {
            "flags": (<uintptr_t>&si.flags, 4), "inuse_pages": (<uintptr_t>&si.inuse_pages, 8),
            "lists": (<uintptr_t>&si.lists, sizeof(cluster_list)),
        },
        "mem_cgroup": {
            "memory": (<uintptr_t>&cg.counters[COUNTER_MEMORY].usage, 8),
            "memsw": (<uintptr_t>&cg.counters[COUNTER_MEMSW].usage, 8),
            "swap": (<uintptr_t>&cg.counters[COUNTER_SWAP].usage, 8), "id_refs": (<uintptr_t>&cg.id_refs, 8),
            "nr_swap": (<uintptr_t>&cg.nr_swap, 8), "swapcached": (<uintptr_t>&cg.swapcached, 8),
            "css": (<uintptr_t>&cg.css, 4), "parent": (<uintptr_t>&cg.parent, 4),
        },
        "percpu_t": {
            "phase": (<uintptr_t>&pc.phase, 4), "wait_mode": (<uintptr_t>&pc.wait_mode, 4),
            "free_head": (<uintptr_t>&pc.free_head, 8), "users": (<uintptr_t>&pc.users, 8),
            "cluster": (<uintptr_t>&pc.cluster, 4), "reserved_entry": (<uintptr_t>&pc.reserved_entry, 8),
            "claimed_entry": (<uintptr_t>&pc.claimed_entry, 8), "trace_head": (<uintptr_t>&pc.trace_head, 8),
            "gauges": (<uintptr_t>&pc.gauges, 8), "warnings": (<uintptr_t>&pc.warnings, sizeof(warn_t)),
            "warned": (<uintptr_t>&pc.warned, 4), "events": (<uintptr_t>&pc.events, 8),
            "latencies": (<uintptr_t>&pc.latencies, sizeof(histogram_t)),
        },
        "mm_struct": {
            "mmap_lock": (<uintptr_t>&mm.mmap_lock, 4), "state": (<uintptr_t>&mm.state, 4),
            "on_mmlist": (<uintptr_t>&mm.on_mmlist, 4),
        },
        "wait_queue": {"head": (<uintptr_t>&q.head, 4)},
        "zone_t": {"lock": (<uintptr_t>&z.lock.word, 8), "free_area": (<uintptr_t>&z.free_area, 8)},
        "control_t": {
            "memcg_version": (<uintptr_t>&c.memcg_version, 4), "nr_writeback": (<uintptr_t>&c.nr_writeback, 8),
            "nr_swap_pages": (<uintptr_t>&c.nr_swap_pages, 8), "total_swap_pages": (<uintptr_t>&c.total_swap_pages, 8),
        },
    }
