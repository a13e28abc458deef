"""What every CPU has: its block, its counters, its random numbers, its stack of held lock classes."""
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from shm.atomic cimport store32, store64
from shm.histogram cimport histogram_add
from shm.layout cimport layout_attach, percpu_of, trace_of
from shm.lock cimport CLASS_NONE, lock_t
from shm.trace cimport TRACE_WARN, trace_record
from shm.vmstat cimport NR_WAITS, WARN_LOCKDEP, wait_t, warn_t
from workers.lockdep cimport lockdep_declare, lockdep_might_sleep, lockdep_t, lockdep_told


cdef class Cpu:
    """Abstract: an executor's subclass fills the primitives."""

    def __cinit__(self):
        self.lockdep = <lockdep_t *>calloc(1, sizeof(lockdep_t))
        if self.lockdep == NULL:
            raise MemoryError("no memory for lockdep's graph")
        lockdep_declare(self.lockdep)

    def __dealloc__(self):
        free(self.lockdep)

    cdef void attach(self, char *base, uint32_t cpu) except *:
        """Be CPU number `cpu` of the formatted segment at `base`."""
        layout_attach(&self.m, base)
        if cpu >= self.m.geo.cpus:
            raise ValueError(f"cpu {cpu}: the segment has {self.m.geo.cpus} CPUs")
        self.id = cpu
        self.my = percpu_of(&self.m, cpu)
        self.debug_locks = self.m.control.lockdep != 0

    cdef void lock(self, lock_t *l) noexcept nogil:
        pass

    cdef void lock_nested(self, lock_t *l) noexcept nogil:
        pass

    cdef bint trylock(self, lock_t *l) noexcept nogil:
        return False

    cdef void unlock(self, lock_t *l) noexcept nogil:
        pass

    cdef void park(self, int cause) noexcept nogil:
        pass

    cdef bint park_timeout(self, uint64_t ns, int cause) noexcept nogil:
        return False

    cdef void wake(self, uint32_t cpu) noexcept nogil:
        pass

    cdef void tick_sleep(self) noexcept nogil:
        pass

    cdef void busy(self, uint64_t ns) noexcept nogil:
        pass

    cdef void relax(self, uint64_t ns) noexcept nogil:
        """Between two looks of a loop that waits for others without sleeping (kernel: cond_resched)."""
        self.busy(ns)

    cdef uint64_t now(self) noexcept nogil:
        return 0

    cdef void step(self, int kind, void *obj, int access) noexcept nogil:
        pass

    cdef bint chance(self, uint32_t ppm) noexcept nogil:
        return random_u64(self) % 1000000 < ppm

    cdef void store_late(self, uint64_t *word, uint64_t value, uint32_t bytes) noexcept nogil:
        if bytes == 4:
            store32(<uint32_t *>word, <uint32_t>value)
        else:
            store64(word, value)

    cdef bint own_store(self, uint64_t *word, uint64_t *value) noexcept nogil:
        return False

    cdef void stores_done(self) noexcept nogil:
        pass

    cdef void cluster_unlocked(self, uint32_t device, uint64_t cluster) noexcept nogil:
        pass

    cdef void folio_unlocked(self, uint32_t pfn) noexcept nogil:
        pass

    cdef void page_table_unlocked(self, uint32_t mm, uint64_t first, uint64_t end) noexcept nogil:
        pass

    cdef void step_warned(self, int warning) noexcept nogil:
        pass

    def lockdep_finding(self) -> dict:
        """What lockdep found first on this CPU: kind, classes, both stacks; empty when nothing."""
        return lockdep_told(self.lockdep)


cdef uint64_t waited(Cpu cpu) noexcept nogil:
    """ns that this CPU has waited so far, for any cause."""
    cdef uint64_t total = 0
    cdef int cause
    for cause in range(NR_WAITS):
        total += cpu.my.waits[cause].total_ns
    return total


cdef void account(Cpu cpu, int cause, uint64_t since) noexcept nogil:
    """A wait for `cause` that began at `since` (ns) is over."""
    account_less(cpu, cause, since, waited(cpu))


cdef void account_less(Cpu cpu, int cause, uint64_t since, uint64_t nested) noexcept nogil:
    """As account, less the waits for other causes in between, so that no ns counts twice: `nested` is waited() before."""
    cdef wait_t *w = &cpu.my.waits[cause]
    cdef uint64_t ns = cpu.now() - since - (waited(cpu) - nested)
    w.count += 1
    w.total_ns += ns
    if ns > w.max_ns:
        w.max_ns = ns


cdef void record(Cpu cpu, int latency, uint64_t since) noexcept nogil:
    """An operation of kind `latency` that began at `since` (ns) is done."""
    histogram_add(&cpu.my.latencies[latency], cpu.now() - since)


cdef void warn(Cpu cpu, int warning, uint64_t a, uint64_t b, uint64_t c) noexcept nogil:
    """A step found what may not be (kernel: VM_WARN_ON_ONCE). The first of a kind keeps what it saw."""
    cdef warn_t *w = &cpu.my.warnings[warning]
    if w.count == 0:
        w.a = a
        w.b = b
        w.c = c
    w.count += 1
    cpu.my.warned |= <uint32_t>1 << warning
    trace(cpu, TRACE_WARN, a, <uint32_t>b, <uint32_t>warning)
    if cpu.cooperative:
        cpu.step_warned(warning)


cdef void trace(Cpu cpu, int kind, uint64_t entry, uint32_t pfn, uint32_t arg) noexcept nogil:
    cdef uint64_t at = cpu.my.trace_head
    cdef trace_record *r = &trace_of(&cpu.m, cpu.id)[at if at < cpu.m.geo.trace_records else at % cpu.m.geo.trace_records]
    r.at_ns = cpu.now()
    r.entry = entry
    r.pfn = pfn
    r.kind = kind
    r.arg = arg
    cpu.my.trace_head += 1


cdef uint64_t random_u64(Cpu cpu) noexcept nogil:
    """xorshift128+ (Vigna 2014) on this CPU's own state, seeded by the run."""
    cdef uint64_t x = cpu.my.rng[0], y = cpu.my.rng[1]
    cpu.my.rng[0] = y
    x ^= x << 23
    cpu.my.rng[1] = x ^ y ^ (x >> 17) ^ (y >> 26)
    return cpu.my.rng[1] + y


cdef void warn_of_lock(Cpu cpu, uint32_t cls) noexcept nogil:
    """lockdep has something against taking or giving back a lock of that class."""
    warn(cpu, WARN_LOCKDEP, cls, cpu.lockdep.first.kind, cpu.lockdep.first.against)


cdef void might_sleep(Cpu cpu) noexcept nogil:
    """What follows may sleep: no spinlock class may be held."""
    if cpu.debug_locks and lockdep_might_sleep(cpu.lockdep, &cpu.held, CLASS_NONE):
        warn(cpu, WARN_LOCKDEP, CLASS_NONE, cpu.lockdep.first.kind, cpu.lockdep.first.against)
