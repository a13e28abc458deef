"""Batches of operations, played in compiled code: one call a batch, the GIL released, a latency for each operation."""
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from shm.atomic cimport cas32, load32, load64_relaxed, store32
from shm.histogram cimport NR_BUCKETS, bucket_lower
from shm.layout cimport layout_attach, layout_t, percpu_of
from shm.percpu cimport PHASE_RUNNING, percpu_t
from shm.vmstat cimport EV_OPERATIONS, LAT_COW, LAT_SWAP_IN, LAT_ZERO_FILL, NR_LATENCIES, WARN_CLAIM_LEFT
from workers.cpu cimport Cpu, count, warn
from workers.executors.attached_cpu cimport AttachedCpu, leave_by
from workers.executors.program cimport Program
from workers.mm.protocol cimport Protocol
from workers.workloads.script cimport (
    SCRIPT_DONTNEED, SCRIPT_EXIT, SCRIPT_FORK, SCRIPT_LOAD, SCRIPT_MM_INIT, SCRIPT_PAGEOUT, SCRIPT_RECLAIM, SCRIPT_STORE,
    SCRIPT_SWAPOFF, SCRIPT_SWAPON, Script, script_step,
)

from shm.records import LATENCIES
from workers.batch import MAX_OPERATIONS, RESULT, STEP

ENDS = ("played", "stopped", "out_of_time", "claim_lost", "abandoned")

assert STEP.size == sizeof(script_step) and RESULT.size == sizeof(batch_result)


cdef void play_all(void *player) noexcept nogil:
    (<Player>player).play_on((<Player>player).cpu, (<Player>player).protocol)


cdef class Player:
    """Plays batches as the CPU of `program`."""

    def __cinit__(self, Program program):
        self.program = program
        self.cpu = program.cpu
        self.protocol = program.protocol
        self.script = Script([], program.cpu.m.geo.pages, program.cpu.m.geo.mms, program.cpu.m.geo.memcgs)
        self.steps = <script_step *>calloc(MAX_OPERATIONS, sizeof(script_step))
        self.results = <batch_result *>calloc(MAX_OPERATIONS, sizeof(batch_result))
        if self.steps == NULL or self.results == NULL:
            raise MemoryError("no memory for a batch")
        program.cpu.my.phase = PHASE_RUNNING

    def __dealloc__(self):
        free(self.steps)
        free(self.results)

    cdef void one(self, Cpu cpu, Protocol p, uint32_t i) noexcept nogil:
        """Step i with its latency and, for an access, what it was. Context: the CPU is ours, no lock held; sleeps."""
        cdef percpu_t *my = cpu.my
        cdef script_step *s = &self.steps[i]
        cdef batch_result *r = &self.results[i]
        cdef uint64_t swap_ins = my.latencies[LAT_SWAP_IN].total, zeroes = my.latencies[LAT_ZERO_FILL].total
        cdef uint64_t cows = my.latencies[LAT_COW].total, since
        if s.operation == SCRIPT_RECLAIM or s.operation == SCRIPT_EXIT:  # all others count themselves
            count(cpu, EV_OPERATIONS)
        since = cpu.now()
        r.result = self.script.one(cpu, p, s)
        r.latency_ns = cpu.now() - since
        r.outcome = 0
        if s.operation == SCRIPT_LOAD or s.operation == SCRIPT_STORE:
            if my.latencies[LAT_SWAP_IN].total != swap_ins:
                r.outcome = 1
            elif my.latencies[LAT_ZERO_FILL].total != zeroes:
                r.outcome = 2
            elif my.latencies[LAT_COW].total != cows:
                r.outcome = 3
        if my.claimed_entry or my.reserved_entry:
            warn(cpu, WARN_CLAIM_LEFT, my.claimed_entry, my.reserved_entry, 0)

    cdef void play_on(self, Cpu cpu, Protocol p) noexcept nogil:
        cdef percpu_t *my = cpu.my
        cdef uint64_t began = cpu.now()
        cdef uint32_t i
        self.why = PLAYED
        self.played = 0
        for i in range(self.length):
            if load32(&cpu.m.control.stop):
                self.why = STOPPED
                return
            if i and cpu.now() - began > self.budget_ns:
                self.why = OUT_OF_TIME
                return
            if not cas32(&my.operation, self.rest, self.rest | (self.steps[i].operation + 1)):
                self.why = CLAIM_LOST
                return
            self.one(cpu, p, i)
            store32(&my.operation, self.rest)
            self.played = i + 1

    def fault(self, bytes steps):
        """The first number of a batch that this run has no room for: (index, field, the largest that would be right).

        None when all is well. ValueError for what is no batch.
        """
        cdef uint64_t mms = self.cpu.m.geo.mms, pages = self.cpu.m.geo.pages
        self.take(steps)
        for i in range(self.length):
            s = self.steps[i]
            if s.operation > SCRIPT_SWAPON:
                raise ValueError(f"step {i}: there is no operation {s.operation}")
            if s.operation in (SCRIPT_SWAPOFF, SCRIPT_SWAPON) and s.mm >= self.cpu.m.geo.devices:
                return i, "mm", self.cpu.m.geo.devices - 1
            on_mm = s.operation <= SCRIPT_DONTNEED or s.operation in (SCRIPT_MM_INIT, SCRIPT_FORK, SCRIPT_EXIT)
            if on_mm and s.mm >= mms:
                return i, "mm", mms - 1
            if s.operation == SCRIPT_FORK and s.first >= mms:
                return i, "child", mms - 1
            if s.operation <= SCRIPT_DONTNEED and s.first >= pages:
                return i, "page", pages - 1
            if s.operation <= SCRIPT_DONTNEED and not s.first < s.end <= pages:
                return i, "pages", pages - s.first
        return None

    cdef take(self, bytes steps):
        if len(steps) % sizeof(script_step) or len(steps) > MAX_OPERATIONS * sizeof(script_step):
            raise ValueError(f"{len(steps)} bytes are no batch: up to {MAX_OPERATIONS} steps of {sizeof(script_step)} bytes")
        self.length = <uint32_t>(len(steps) // sizeof(script_step))
        memcpy(self.steps, <char *>steps, len(steps))

    def play(self, bytes steps, uint32_t claim, uint64_t budget_ns):
        """Play a batch under `claim`: the results of what was played, and how it ended (one of ENDS). No GIL.

        The batch must have passed `fault`. The first operation is begun whatever the budget.
        """
        cdef bint attached = isinstance(self.cpu, AttachedCpu), left = False
        self.take(steps)
        self.rest = claim << CLAIM_SHIFT
        self.budget_ns = budget_ns
        with nogil:
            if attached:
                left = leave_by(<AttachedCpu>self.cpu, play_all, <void *>self)
            else:
                self.play_on(self.cpu, self.protocol)
        if left:
            self.why = ABANDONED
        return PyBytes_FromStringAndSize(<char *>self.results, self.played * sizeof(batch_result)), ENDS[self.why]


cdef class Mapped:
    """The layout of the formatted segment in `buf`, for as long as this object lives."""

    cdef layout_t m
    cdef Py_buffer view

    def __cinit__(self, buf):
        PyObject_GetBuffer(buf, &self.view, PyBUF_WRITABLE)
        layout_attach(&self.m, <char *>self.view.buf)

    def __dealloc__(self):
        if self.view.buf != NULL:
            PyBuffer_Release(&self.view)


def driver_of(buf, uint32_t cpu):
    """(claim, step + 1 or 0 at rest) of a CPU of the formatted segment in `buf`."""
    cdef Mapped s = Mapped(buf)
    cdef uint32_t word = load32(&percpu_of(&s.m, cpu).operation)
    return word >> CLAIM_SHIFT, word & 0xFF


def hand_over(buf, uint32_t cpu, uint32_t claim, uint32_t to):
    """Give a CPU that is at rest under `claim` to another claim. False in the middle of an operation."""
    cdef Mapped s = Mapped(buf)
    return bool(cas32(&percpu_of(&s.m, cpu).operation, claim << CLAIM_SHIFT, to << CLAIM_SHIFT))


def shape(buf):
    """(pages of one mm, mms) of the formatted segment in `buf`."""
    cdef Mapped s = Mapped(buf)
    return s.m.geo.pages, s.m.geo.mms


cdef uint64_t quantile_ns(layout_t *m, int latency, uint64_t rank) noexcept:
    """Lower bound of the bucket of the value at `rank` (from 1) among those of all CPUs; 0 when there are fewer."""
    cdef uint64_t seen = 0
    cdef uint32_t b, cpu
    for b in range(NR_BUCKETS):
        for cpu in range(<uint32_t>m.geo.cpus):
            seen += load64_relaxed(&percpu_of(m, cpu).latencies[latency].counts[b])
        if seen >= rank:
            return bucket_lower(b)
    return 0


def latencies(buf):
    """What the CPUs have counted so far: name, count, p50_ns, p99_ns, max_ns of each kind. A glance at living CPUs."""
    cdef Mapped s = Mapped(buf)
    cdef uint64_t count
    cdef uint32_t cpu
    cdef int i
    told = []
    for i in range(NR_LATENCIES):
        count, largest = 0, 0
        for cpu in range(<uint32_t>s.m.geo.cpus):
            count += load64_relaxed(&percpu_of(&s.m, cpu).latencies[i].total)
            largest = max(largest, load64_relaxed(&percpu_of(&s.m, cpu).latencies[i].max_ns))
        p50, p99 = quantile_ns(&s.m, i, (count + 1) // 2), quantile_ns(&s.m, i, count - count // 100)
        told.append({"name": LATENCIES[i], "count": count, "p50_ns": p50, "p99_ns": p99, "max_ns": largest})
    return told
