"""The cycle of floor/cycle.c, through the project's own segment, locks, folio lock, table, clock and histogram.

Swap in a random slot of 64 clusters of 512 slots and reclaim it: two sections under the cluster's lock, the folio lock
each way, a payload of 64 bytes copied in and out, both latencies into the CPU's own histograms. All locking goes through
`Cpu`, as in workers/mm. Clusters 1 to 64 are used; cluster 0 holds the header of the device.
"""
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from shm.atomic cimport cpu_relax, load32, store32, store_i32
from shm.clock cimport clock_ns
from shm.cluster cimport swap_cluster_info
from shm.folio cimport PG_UPTODATE
from shm.histogram cimport histogram_add
from shm.layout cimport block_of, cluster_of, layout_attach, layout_t, payload_of, table_of
from shm.lock cimport lock_t
from shm.swap_map cimport SWAP_HAS_CACHE
from shm.swap_table cimport pfn_to_swp_tb, shadow_to_swp_tb, swap_table_get, swap_table_set, swp_tb_is_shadow
from shm.vmstat cimport WAIT_FOLIO_LOCK
from workers.cpu cimport Cpu
from workers.executors.process_cpu cimport ProcessCpu
from workers.mm.filemap cimport folio_lock, folio_unlock
from workers.mm.page_alloc cimport folio_clear, folio_of, folio_set

from shm.clock import calibrate
from shm.geometry import Geometry
from shm.layout import format_segment, size_of

CLUSTERS = 64
CLUSTER_SLOTS = 512
FOLIOS_PER_CPU = 1024

cdef enum:
    SLOTS = 512
    FOLIOS = 1024
    PAYLOAD_BYTES = 64
    SHADOW = 1

cdef extern from "<time.h>" nogil:
    ctypedef int clockid_t
    struct timespec:
        long tv_sec
        long tv_nsec
    int clock_gettime(clockid_t clock, timespec *ts)
    clockid_t CLOCK_PROCESS_CPUTIME_ID


cdef uint64_t cpu_time_ns() noexcept nogil:
    cdef timespec ts
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts)
    return <uint64_t>ts.tv_sec * 1000000000 + <uint64_t>ts.tv_nsec


def geometry(cpus: int, lock_kind: int) -> Geometry:
    """The geometry of the cycle: 65 clusters, 1024 folios a CPU, payload of 64 bytes; lock_kind 0 word, 1 sem_t."""
    slots = (CLUSTERS + 1) * CLUSTER_SLOTS
    return Geometry(
        cpus=cpus, devices=1, slots=slots, cluster_slots=CLUSTER_SLOTS, tables=CLUSTERS + 1, blocks=slots,
        folios=cpus * FOLIOS_PER_CPU + 1, mms=1, pages=1, memcgs=1, payload_bytes=PAYLOAD_BYTES, trace_records=1,
        lock_kind=lock_kind,
    )


cdef class Mapped:
    """The layout of a segment in a writable buffer, which is held as long as this object lives."""

    cdef Py_buffer view
    cdef layout_t m
    cdef bint held

    def __cinit__(self, buf):
        PyObject_GetBuffer(buf, &self.view, PyBUF_WRITABLE)
        self.held = True
        layout_attach(&self.m, <char *>self.view.buf)

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.view)


def prepare(buf, cpus: int, lock_kind: int, use_tsc: bool) -> None:
    """Formats a zeroed buffer of size_of(geometry(...)) bytes: every slot swapped out once, with a payload of its own."""
    cdef Mapped mapped
    cdef layout_t *m
    cdef swap_cluster_info *ci
    cdef uint32_t cluster, off, slot
    format_segment(buf, geometry(cpus, lock_kind), True)
    mapped = Mapped(buf)
    m = &mapped.m
    invariant, factor = calibrate()
    m.control.use_tsc = use_tsc and invariant
    m.control.cycle_factor = factor
    for cluster in range(1, <uint32_t>m.clusters_per_device):
        ci = cluster_of(m, 0, cluster)
        ci.table = <uint32_t>m.tables_head[0]
        m.tables_head[0] = m.table_next[ci.table]
        ci.count = SLOTS
        for off in range(SLOTS):
            slot = cluster * SLOTS + off
            table_of(m, ci.table)[off] = shadow_to_swp_tb(SHADOW, 0)
            m.swap_map[slot] = 1
            m.handles[slot] = slot
            memset(block_of(m, 0, slot), <int>(cluster + off), PAYLOAD_BYTES)


def open_gate(buf) -> None:
    """Lets every run() that waits on this buffer begin."""
    cdef Mapped mapped = Mapped(buf)
    store32(&mapped.m.control.measuring, 1)


cdef inline bint swap_in(Cpu cpu, uint32_t pfn, uint32_t cluster, uint32_t off) noexcept nogil:
    """False when another CPU holds the slot. Context: no lock held; takes the folio lock, then the cluster lock."""
    cdef swap_cluster_info *ci = cluster_of(&cpu.m, 0, cluster)
    cdef uint64_t *table = table_of(&cpu.m, ci.table)
    cdef uint32_t slot = cluster * SLOTS + off
    folio_lock(cpu, pfn, WAIT_FOLIO_LOCK)
    cpu.lock(&ci.lock)
    if not swp_tb_is_shadow(swap_table_get(table, off)):
        cpu.unlock(&ci.lock)
        folio_unlock(cpu, pfn)
        return False
    swap_table_set(table, off, pfn_to_swp_tb(pfn, 0))
    cpu.m.swap_map[slot] |= SWAP_HAS_CACHE
    cpu.unlock(&ci.lock)
    folio_of(cpu, pfn).swap = slot
    store_i32(&folio_of(cpu, pfn).refcount, 2)
    memcpy(payload_of(&cpu.m, pfn), block_of(&cpu.m, 0, cpu.m.handles[slot]), PAYLOAD_BYTES)
    folio_set(folio_of(cpu, pfn), PG_UPTODATE)
    folio_unlock(cpu, pfn)
    return True


cdef inline void reclaim(Cpu cpu, uint32_t pfn) noexcept nogil:
    """Context: no lock held; takes the folio lock, then the cluster lock."""
    cdef uint32_t slot, off
    cdef swap_cluster_info *ci
    folio_lock(cpu, pfn, WAIT_FOLIO_LOCK)
    slot = <uint32_t>folio_of(cpu, pfn).swap
    off = slot % SLOTS
    ci = cluster_of(&cpu.m, 0, slot // SLOTS)
    memcpy(block_of(&cpu.m, 0, cpu.m.handles[slot]), payload_of(&cpu.m, pfn), PAYLOAD_BYTES)
    cpu.lock(&ci.lock)
    swap_table_set(table_of(&cpu.m, ci.table), off, shadow_to_swp_tb(SHADOW, 0))
    cpu.m.swap_map[slot] &= ~SWAP_HAS_CACHE
    cpu.unlock(&ci.lock)
    folio_clear(folio_of(cpu, pfn), PG_UPTODATE)
    store_i32(&folio_of(cpu, pfn).refcount, 0)
    folio_unlock(cpu, pfn)


cdef uint64_t loop(Cpu cpu, uint32_t first, uint32_t clusters, uint64_t cycles) noexcept nogil:
    """The measured loop; returns how often another CPU held the slot."""
    cdef uint64_t random = <uint64_t>0x9E3779B97F4A7C15 * (cpu.id + 1), done = 0, lost = 0, t0, t1, t2
    cdef uint32_t pfn = 1 + cpu.id * FOLIOS
    while done < cycles:
        random ^= random << 13
        random ^= random >> 7
        random ^= random << 17
        t0 = cpu.now()
        if not swap_in(cpu, pfn, 1 + first + <uint32_t>((random >> 32) % clusters), <uint32_t>random % SLOTS):
            lost += 1
            continue
        t1 = cpu.now()
        reclaim(cpu, pfn)
        t2 = cpu.now()
        histogram_add(&cpu.my.latencies[0], t1 - t0)
        histogram_add(&cpu.my.latencies[1], t2 - t1)
        done += 1
    return lost


def run(buf, cpu: int, first: int, clusters: int, cycles: int) -> dict[str, float]:
    """CPU number `cpu` does `cycles` cycles over `clusters` clusters from `first` on, once the gate is open.

    Wall and CPU time of the loop in ns per cycle, and how often a slot was held by another.
    """
    cdef Mapped mapped = Mapped(buf)
    cdef ProcessCpu me = ProcessCpu()
    cdef uint64_t wall, used, lost, n = cycles
    cdef uint32_t from_cluster = first, over = clusters
    me.attach(<char *>mapped.view.buf, cpu)
    with nogil:
        while not load32(&me.m.control.measuring):
            cpu_relax()
        wall = clock_ns()
        used = cpu_time_ns()
        lost = loop(me, from_cluster, over, n)
        used = cpu_time_ns() - used
        wall = clock_ns() - wall
    return {"wall_ns": <double>wall / n, "cpu_ns": <double>used / n, "lost": lost}


def pair(buf, iterations: int) -> dict[str, float]:
    """cpu.lock + cpu.unlock of a free cluster lock; wall and CPU time in ns per pair."""
    cdef Mapped mapped = Mapped(buf)
    cdef ProcessCpu process_cpu = ProcessCpu()
    cdef Cpu me = process_cpu
    cdef uint64_t wall, used, i, n = iterations
    cdef lock_t *lock
    process_cpu.attach(<char *>mapped.view.buf, 0)
    lock = &cluster_of(&me.m, 0, 1).lock
    with nogil:
        wall = clock_ns()
        used = cpu_time_ns()
        for i in range(n):
            me.lock(lock)
            me.unlock(lock)
        used = cpu_time_ns() - used
        wall = clock_ns() - wall
    return {"wall_ns": <double>wall / n, "cpu_ns": <double>used / n}


def damage(buf) -> int:
    """How many slots are not as prepare() left them: swapped out, counted once, with their own payload."""
    cdef Mapped mapped = Mapped(buf)
    cdef layout_t *m = &mapped.m
    cdef uint32_t cluster, off, slot, i, bad = 0
    cdef char *block
    cdef bint good
    for cluster in range(1, <uint32_t>m.clusters_per_device):
        for off in range(SLOTS):
            slot = cluster * SLOTS + off
            block = block_of(m, 0, m.handles[slot])
            good = table_of(m, cluster_of(m, 0, cluster).table)[off] == shadow_to_swp_tb(SHADOW, 0) and m.swap_map[slot] == 1
            for i in range(PAYLOAD_BYTES):
                good = good and block[i] == <char>(cluster + off)
            bad += not good
    return bad


def segment_bytes(cpus: int, lock_kind: int) -> int:
    """Bytes that prepare() needs."""
    return size_of(geometry(cpus, lock_kind))
