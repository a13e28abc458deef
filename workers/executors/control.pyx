"""The segment of a run seen from its supervisor: fill it, stop it, read what its CPUs have counted."""
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint32_t, uint64_t

from shm.atomic cimport load64_relaxed, store32
from shm.histogram cimport NR_BUCKETS, bucket_lower, histogram_t
from shm.inject cimport NR_INJECTIONS
from shm.layout cimport layout_attach, layout_t, percpu_of
from shm.memcg cimport COUNTER_MEMORY, COUNTER_MEMSW, COUNTER_SWAP, CSS_MEMBER
from shm.swapfile cimport (
    SWP_PAGE_DISCARD, SWP_SOLIDSTATE, SWP_SYNCHRONOUS_IO, SWP_USED, SWP_WRITEOK, device_t, swap_info_struct,
)
from shm.vmstat cimport EV_OPERATIONS, EV_SWAP_INS, EV_TICK_SLEEPS, NR_EVENTS, NR_LATENCIES, NR_WAITS

from shm.clock import calibrate
from shm.layout import format_segment
from shm.records import EVENTS, INJECTIONS, LATENCIES, WAITS

from workers.executors.plan import attendants
from workers.protocols.registry import protocol

assert len(INJECTIONS) == NR_INJECTIONS
assert len(EVENTS) == NR_EVENTS and len(WAITS) == NR_WAITS and len(LATENCIES) == NR_LATENCIES


cdef class Segment:
    """A formatted segment mapped at `buf`, for as long as this object lives."""

    cdef layout_t m
    cdef Py_buffer view

    def __cinit__(self, buf):
        PyObject_GetBuffer(buf, &self.view, PyBUF_WRITABLE)
        layout_attach(&self.m, <char *>self.view.buf)

    def close(self):
        """Let the mapping go."""
        if self.view.buf != NULL:
            PyBuffer_Release(&self.view)
            self.view.buf = NULL

    def __dealloc__(self):
        self.close()


def format_run(buf, plan, spec) -> None:
    """Fill the zeroed segment in `buf` for a run: structures, limits, the devices, the clock."""
    format_segment(buf, plan.geometry, spec.device.kind == "zram")
    cdef Segment s = Segment(buf)
    cdef int64_t limit = plan.shape.resident_pages
    use_tsc, factor = calibrate()
    s.m.control.use_tsc = use_tsc
    s.m.control.cycle_factor = factor
    s.m.control.hz = spec.hz
    s.m.control.tick_ns = 1_000_000_000 // spec.hz
    s.m.control.memcg_version = spec.memcg.version
    s.m.control.readahead_pages = spec.readahead_pages
    for i, name in enumerate(INJECTIONS):
        s.m.control.inject_ppm[i] = spec.inject.get(name, 0)
    s.m.control.lockdep = spec.lockdep
    s.m.control.cpus_working = spec.cpus
    s.m.control.i_pages = protocol(spec.protocol).i_pages
    s.m.control.map_shmem = protocol(spec.protocol).map_shmem
    format_devices(&s.m, spec)
    if s.m.geo.zswap_pages:
        s.m.zswap.store_ns = spec.zswap.store_ns
        s.m.zswap.load_ns = spec.zswap.load_ns
        s.m.zswap.accept_pages = spec.zswap.pool_pages * spec.zswap.accept_percent // 100
        s.m.zswap.shrinker = spec.zswap.shrinker
        s.m.zswap.writeback = not spec.zswap.no_writeback
    format_memcgs(&s.m, limit, -1 if spec.memcg.swap_limit_pages is None else spec.memcg.swap_limit_pages)
    s.close()


cdef int format_devices(layout_t *m, spec) except -1:
    """Kind, times and priority of each device, the CPU that attends it, and the order in which allocation asks them."""
    cdef swap_info_struct *si
    cdef device_t *dev
    attending = attendants(spec)
    for number, device in enumerate(spec.devices):
        si, dev = &m.si[<uint32_t>number], &m.devices[<uint32_t>number]
        si.flags = SWP_USED | SWP_WRITEOK
        si.flags |= SWP_SYNCHRONOUS_IO if device.kind == "zram" else 0
        si.flags |= 0 if device.rotating else SWP_SOLIDSTATE
        si.flags |= SWP_PAGE_DISCARD if device.discard else 0
        si.discard_ns = device.discard_ns
        si.prio = device.priority if device.priority >= 0 else -2 - number
        m.control.nr_rotate_swap += device.rotating
        dev.queue_depth, dev.read_ns, dev.write_ns = device.queue_depth, device.read_ns, device.write_ns
        dev.cpu = spec.cpus + attending.index(number) if number in attending else 0
        si.worker = spec.cpus + attending.index(None) if None in attending else 0
    for place, number in enumerate(sorted(range(len(spec.devices)), key=lambda n: -m.si[<uint32_t>n].prio)):
        m.swap_avail.device[<uint32_t>place] = number
    return 0


cdef void format_memcgs(layout_t *m, int64_t limit, int64_t swap_limit) noexcept:
    """Memcg 1 with its limits (-1: none on swap), all others below it."""
    cdef uint32_t i
    m.memcgs[1].counters[COUNTER_MEMORY].max = limit
    if swap_limit >= 0:
        m.memcgs[1].counters[COUNTER_SWAP].max = swap_limit
        m.memcgs[1].counters[COUNTER_MEMSW].max = limit + swap_limit
    for i in range(2, <uint32_t>m.geo.memcgs + 1):
        m.memcgs[i].parent = 1
        m.memcgs[1].css += CSS_MEMBER


def set_stop(buf) -> None:
    """Ask every CPU to leave after its present operation."""
    cdef Segment s = Segment(buf)
    store32(&s.m.control.stop, 1)
    s.close()


cdef uint64_t event_sum(layout_t *m, int event) noexcept:
    cdef uint64_t total = 0
    cdef uint32_t cpu
    for cpu in range(<uint32_t>m.geo.cpus):
        total += load64_relaxed(&percpu_of(m, cpu).events[event])
    return total


def progress(buf) -> dict:
    """How far a living run is: operations, swap-ins and tick sleeps so far, operations by CPU."""
    cdef Segment s = Segment(buf)
    cdef uint32_t cpu
    by_cpu = [load64_relaxed(&percpu_of(&s.m, cpu).events[EV_OPERATIONS]) for cpu in range(<uint32_t>s.m.geo.cpus)]
    told = {"operations": sum(by_cpu), "swap_ins": event_sum(&s.m, EV_SWAP_INS),
            "tick_sleeps": event_sum(&s.m, EV_TICK_SLEEPS), "operations_by_cpu": by_cpu}
    s.close()
    return told


cdef dict histogram_told(layout_t *m, int latency):
    """Sum over the CPUs: bounds in ns and counts of the buckets that are not empty."""
    cdef uint32_t cpu, b
    cdef uint64_t n, total = 0, sum_ns = 0, max_ns = 0
    cdef histogram_t *h
    lower, upper, counts = [], [], []
    for b in range(NR_BUCKETS):
        n = 0
        for cpu in range(<uint32_t>m.geo.cpus):
            n += percpu_of(m, cpu).latencies[latency].counts[b]
        if n:
            lower.append(bucket_lower(b))
            upper.append(bucket_lower(b + 1))
            counts.append(n)
    for cpu in range(<uint32_t>m.geo.cpus):
        h = &percpu_of(m, cpu).latencies[latency]
        total += h.total
        sum_ns += h.sum_ns
        max_ns = max(max_ns, h.max_ns)
    return {"lower_ns": lower, "upper_ns": upper, "counts": counts, "total": total, "sum_ns": sum_ns, "max_ns": max_ns}


cdef dict wait_told(layout_t *m, int cause, uint32_t cpus):
    """Sum over the first `cpus` CPUs: how often, ns in all, ns at most."""
    cdef uint32_t cpu
    cdef uint64_t count = 0, total_ns = 0, max_ns = 0
    for cpu in range(cpus):
        count += percpu_of(m, cpu).waits[cause].count
        total_ns += percpu_of(m, cpu).waits[cause].total_ns
        max_ns = max(max_ns, percpu_of(m, cpu).waits[cause].max_ns)
    return {"count": count, "total_ns": total_ns, "max_ns": max_ns}


def figures(buf, plan) -> dict:
    """All that the working CPUs have counted: events, waits by cause, latency histograms. Best read at rest.

    The CPUs that attend devices wait for requests: their waits are not those of any operation, and are left out.
    """
    cdef Segment s = Segment(buf)
    told = {
        "events": {name: event_sum(&s.m, i) for i, name in enumerate(EVENTS)},
        "waits": {name: wait_told(&s.m, i, plan.shape.cpus) for i, name in enumerate(WAITS)},
        "histograms": {name: histogram_told(&s.m, i) for i, name in enumerate(LATENCIES)},
        "operations": event_sum(&s.m, EV_OPERATIONS),
        "swap_ins": event_sum(&s.m, EV_SWAP_INS),
    }
    s.close()
    return told
