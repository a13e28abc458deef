"""The seam in virtual time, one clock a CPU."""
from libc.stdint cimport uint32_t, uint64_t

from shm.cluster cimport swap_cluster_info
from shm.lock cimport CLASS_CLUSTER, CLASS_PTL, lock_t, lock_word
from shm.memcg cimport mem_cgroup
from shm.mm cimport mm_struct
from shm.trace cimport TRACE_TICK_SLEEP
from shm.vmstat cimport (
    EV_TICK_SLEEPS, WAIT_CLUSTER_LOCK, WAIT_OTHER_LOCK, WAIT_PAGE_TABLE_LOCK, WAIT_TICK_SLEEP,
)
from workers.cpu cimport READS, STEP_TICK, WRITES, Cpu, account, count, might_sleep, sleeping_lock, sleeping_unlock, trace
from workers.lockdep cimport lockdep_acquire
from workers.simulation.simulator cimport Simulator, lock_stat_t

cdef uint64_t NEVER = <uint64_t>-1


cdef inline void add_wait(lock_stat_t *s, uint64_t ns) noexcept nogil:
    s.waited += 1
    s.total_ns += ns
    if ns > s.max_ns:
        s.max_ns = ns


cdef class SimulatedCpu(Cpu):
    """CPU number `cpu` of `simulator`. Its primitives are called on its own stack only."""

    def __init__(self, simulator: Simulator, cpu: int) -> None:
        self.simulator = simulator
        self.task = &simulator.tasks[<uint32_t>cpu]
        self.cooperative = True
        self.mms_at = <uint64_t>(<char *>simulator.m.mms - simulator.m.base)
        self.mms_end = self.mms_at + simulator.m.geo.mms * sizeof(mm_struct)
        self.counters_at = <uint64_t>(<char *>simulator.m.memcgs - simulator.m.base)
        self.counters_end = self.counters_at + (simulator.m.geo.memcgs + 1) * sizeof(mem_cgroup)

    cdef uint64_t word(self) noexcept nogil:
        self.my.generation += 1
        return lock_word(self.my.generation, self.id)

    cdef void acquire(self, lock_t *l) noexcept nogil:
        """Context: on this CPU's stack. The time in the queue counts by class, and of clusters one by one."""
        cdef uint64_t ns, since = self.task.clock_ns
        if not self.simulator.take(self.id, l, self.word()):
            return
        ns = self.task.clock_ns - since
        add_wait(&self.simulator.locks[l.cls], ns)
        if l.cls == CLASS_CLUSTER:
            account(self, WAIT_CLUSTER_LOCK, since)
            add_wait(&self.simulator.clusters[(<char *>l - <char *>self.m.clusters) // sizeof(swap_cluster_info)], ns)
        elif l.cls == CLASS_PTL:
            account(self, WAIT_PAGE_TABLE_LOCK, since)
        else:
            account(self, WAIT_OTHER_LOCK, since)

    cdef void lock(self, lock_t *l) noexcept nogil:
        if self.debug_locks:
            sleeping_lock(self, l.cls, False)
        self.acquire(l)

    cdef void lock_nested(self, lock_t *l) noexcept nogil:
        if self.debug_locks:
            lockdep_acquire(self.lockdep, &self.held, l.cls, True, False)
        self.acquire(l)

    cdef bint trylock(self, lock_t *l) noexcept nogil:
        if not self.simulator.attempt(self.id, l, self.word()):
            return False
        if self.debug_locks:
            sleeping_lock(self, l.cls, True)
        return True

    cdef void unlock(self, lock_t *l) noexcept nogil:
        if self.debug_locks:
            sleeping_unlock(self, l.cls)
        self.simulator.give(self.id, l)

    cdef void park(self, int cause) noexcept nogil:
        cdef uint64_t since = self.task.clock_ns
        might_sleep(self)
        self.simulator.sleep(self.id, NEVER)
        account(self, cause, since)

    cdef bint park_timeout(self, uint64_t ns, int cause) noexcept nogil:
        cdef uint64_t since = self.task.clock_ns
        cdef bint woken
        might_sleep(self)
        woken = self.simulator.sleep(self.id, since + ns)
        account(self, cause, since)
        return woken

    cdef void wake(self, uint32_t cpu) noexcept nogil:
        self.simulator.wake(self.id, cpu)

    cdef void tick_sleep(self) noexcept nogil:
        """schedule_timeout_uninterruptible(1): until the second tick of this CPU from now on."""
        cdef uint64_t tick = self.m.control.tick_ns, since = self.task.clock_ns
        cdef uint64_t into = since + tick - self.task.tick_offset
        might_sleep(self)
        count(self, EV_TICK_SLEEPS)
        self.simulator.turn(self.id, STEP_TICK, 0)
        self.task.clock_ns = since + 2 * tick - into % tick
        self.simulator.pass_time(self.task, self.simulator.costs.timer)
        account(self, WAIT_TICK_SLEEP, since)
        trace(self, TRACE_TICK_SLEEP, 0, 0, 0)

    cdef void busy(self, uint64_t ns) noexcept nogil:
        """Nobody sees it: the clock moves on without an event."""
        if ns == 0:
            return
        self.task.clock_ns += ns
        self.simulator.pass_time(self.task, self.simulator.costs.request)

    cdef uint64_t now(self) noexcept nogil:
        return self.task.clock_ns

    cdef void step(self, int kind, void *obj, int access) noexcept nogil:
        """The way into a fault and back is paid with its mmap_lock; memcg counters are charged for in batches."""
        cdef uint64_t offset = <uint64_t>(<char *>obj - self.m.base) if obj != NULL else 0, more = 0
        if self.mms_at <= offset < self.mms_end and (offset - self.mms_at) % sizeof(mm_struct) == 0 and (
                access != (READS | WRITES)):  # as a downgrade is, which keeps the lock
            more = self.simulator.costs.exit if self.faulting else self.simulator.costs.entry
            self.faulting = not self.faulting
        elif self.counters_at <= offset < self.counters_end:
            if self.task.charge_left != 0:
                self.task.charge_left -= 1
                access = 0
            else:
                self.task.charge_left = self.simulator.costs.charge_batch - 1
        self.simulator.atomic(self.id, offset, access, more)
