"""The seam. All mm logic is written against `Cpu`: lock, wait, wake, sleep a tick, be busy, know the time.

Two classes implement it: `ProcessCpu` (workers/executors/process_cpu.pyx: real locks, real time, the GIL released) and
`CooperativeCpu` (workers/executors/cooperative_cpu.pyx: every primitive is a scheduling point). Nothing above knows which.

Before it takes effect, each step that another CPU can observe without a lock declares what it touches: `point(cpu,
object, access)`. Data guarded by a lock is no object; locks, lock-free words, reference counts and page-table words are.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from shm.atomic cimport fence, load64, store32, store64
from shm.layout cimport layout_t
from shm.lock cimport lock_t
from shm.percpu cimport percpu_t
from workers.lockdep cimport held_stack, lockdep_acquire, lockdep_release, lockdep_t

cdef enum:  # access: how a step touches its object
    READS = 1
    WRITES = 2
    ADDS = 4  # commutes with other adds: reference counts, counters

cdef enum:  # kind of a step
    STEP_START = 0
    STEP_ATOMIC
    STEP_ACQUIRE
    STEP_TRY
    STEP_RELEASE
    STEP_PARK
    STEP_TICK
    STEP_BUSY
    STEP_END
    NR_STEPS

cdef class Cpu

# The one door upstairs: an allocation or a charge that finds nothing left reclaims. Filled by the executor.
ctypedef uint32_t (*reclaim_door)(Cpu cpu, uint32_t memcg, uint32_t nr) noexcept nogil

cdef class Cpu:
    cdef layout_t m
    cdef percpu_t *my
    cdef uint32_t id
    cdef bint cooperative
    cdef bint memalloc  # PF_MEMALLOC: this CPU reclaims already, and does not recurse
    cdef reclaim_door try_to_free_pages
    cdef void *protocol  # borrowed: the executor's Protocol, for the door
    cdef bint debug_locks
    cdef lockdep_t *lockdep
    cdef held_stack held

    cdef void lock(self, lock_t *l) noexcept nogil
    cdef void lock_nested(self, lock_t *l) noexcept nogil
    cdef bint trylock(self, lock_t *l) noexcept nogil
    cdef void unlock(self, lock_t *l) noexcept nogil
    cdef void park(self, int cause) noexcept nogil
    cdef bint park_timeout(self, uint64_t ns, int cause) noexcept nogil
    cdef void wake(self, uint32_t cpu) noexcept nogil
    cdef void tick_sleep(self) noexcept nogil
    cdef void busy(self, uint64_t ns) noexcept nogil
    cdef void relax(self, uint64_t ns) noexcept nogil
    cdef uint64_t now(self) noexcept nogil
    cdef void step(self, int kind, void *obj, int access) noexcept nogil
    cdef bint chance(self, uint32_t ppm) noexcept nogil
    # stores that weak hardware shows late: the seam's own part of store_delayable64, load_own64 and smp_mb
    cdef void store_late(self, uint64_t *word, uint64_t value, uint32_t bytes) noexcept nogil
    cdef bint own_store(self, uint64_t *word, uint64_t *value) noexcept nogil
    cdef void stores_done(self) noexcept nogil
    # where the laws are looked at: a lock is about to be released, a step has warned
    cdef void cluster_unlocked(self, uint32_t device, uint64_t cluster) noexcept nogil
    cdef void folio_unlocked(self, uint32_t pfn) noexcept nogil
    cdef void page_table_unlocked(self, uint32_t mm, uint64_t first, uint64_t end) noexcept nogil
    cdef void step_warned(self, int warning) noexcept nogil
    cdef void attach(self, char *base, uint32_t cpu) except *

cdef uint64_t random_u64(Cpu cpu) noexcept nogil

cdef inline void point(Cpu cpu, void *obj, int access) noexcept nogil:
    """A scheduling point before a step on `obj` that takes no lock."""
    if cpu.cooperative:
        cpu.step(STEP_ATOMIC, obj, access)

cdef inline void store_delayable64(Cpu cpu, uint64_t *word, uint64_t value) noexcept nogil:
    """A store that others may see late, up to the next smp_mb, lock, unlock or atomic step of this CPU. Context: none."""
    if cpu.cooperative:
        cpu.store_late(word, value, 8)
    else:
        store64(word, value)

cdef inline void store_delayable32(Cpu cpu, uint32_t *word, uint32_t value) noexcept nogil:
    """As store_delayable64. Context: none."""
    if cpu.cooperative:
        cpu.store_late(<uint64_t *>word, value, 4)
    else:
        store32(word, value)

cdef inline uint64_t load_own64(Cpu cpu, uint64_t *word) noexcept nogil:
    """A load that sees this CPU's own store_delayable64. Context: none."""
    cdef uint64_t value
    if cpu.cooperative and cpu.own_store(word, &value):
        return value
    return load64(word)

cdef inline void smp_mb(Cpu cpu) noexcept nogil:
    """A full barrier: what was stored before it is seen before what is loaded after it. Context: none."""
    if cpu.cooperative:
        cpu.stores_done()
    else:
        fence()

cdef inline void count(Cpu cpu, int event) noexcept nogil:
    cpu.my.events[event] += 1

cdef inline bint injected(Cpu cpu, int which) noexcept nogil:
    """Whether this step is to fail, by the run's rate for such failures. Context: none."""
    cdef uint32_t ppm = cpu.m.control.inject_ppm[which]
    return ppm != 0 and cpu.chance(ppm)

cdef inline void gauge(Cpu cpu, int which, int64_t by) noexcept nogil:
    cpu.my.gauges[which] += by

cdef void account(Cpu cpu, int cause, uint64_t since) noexcept nogil
cdef uint64_t waited(Cpu cpu) noexcept nogil
cdef void account_less(Cpu cpu, int cause, uint64_t since, uint64_t nested) noexcept nogil
cdef void record(Cpu cpu, int latency, uint64_t since) noexcept nogil
cdef void warn(Cpu cpu, int warning, uint64_t a, uint64_t b, uint64_t c) noexcept nogil
cdef void trace(Cpu cpu, int kind, uint64_t entry, uint32_t pfn, uint32_t arg) noexcept nogil
cdef void warn_of_lock(Cpu cpu, uint32_t cls) noexcept nogil
cdef void might_sleep(Cpu cpu) noexcept nogil

cdef inline void sleeping_lock(Cpu cpu, uint32_t cls, bint trylock) noexcept nogil:
    """A lock that is no lock_t (folio, mmap_lock, local lock) is about to be taken."""
    if cpu.debug_locks and lockdep_acquire(cpu.lockdep, &cpu.held, cls, trylock, trylock):
        warn_of_lock(cpu, cls)

cdef inline void sleeping_unlock(Cpu cpu, uint32_t cls) noexcept nogil:
    if cpu.debug_locks and lockdep_release(cpu.lockdep, &cpu.held, cls):
        warn_of_lock(cpu, cls)
