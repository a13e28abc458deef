"""The seam in virtual time: each primitive publishes its step, waits to be chosen, and then takes effect alone."""
from libc.stdint cimport uint32_t, uint64_t

from shm.atomic cimport load32, load64, store32, store64
from shm.layout cimport NR_WAIT_QUEUES, percpu_of, wait_queue
from shm.lock cimport CLASS_CLUSTER, CLASS_PTL, lock_t
from shm.trace cimport TRACE_TICK_SLEEP
from shm.vmstat cimport (
    EV_TICK_SLEEPS, WAIT_CLUSTER_LOCK, WAIT_OTHER_LOCK, WAIT_PAGE_TABLE_LOCK, WAIT_TICK_SLEEP, WARN_SLOT_RECYCLED,
)
from workers.cpu cimport (
    ADDS, READS, STEP_ACQUIRE, STEP_ATOMIC, STEP_BUSY, STEP_PARK, STEP_RELEASE, STEP_TICK, STEP_TRY, WRITES, Cpu, account,
    count, might_sleep, sleeping_lock, sleeping_unlock, trace,
)
from workers.executors.execution cimport Execution
from workers.lockdep cimport lockdep_acquire

cdef uint64_t NEVER = <uint64_t>-1

cdef enum:
    LATE_PPM = 500000


cdef class CooperativeCpu(Cpu):
    """Task number `id` of `execution`. Outside of a running execution only now() means anything."""

    def __init__(self, execution: Execution) -> None:
        self.execution = execution
        self.cooperative = True
        self.checks = NULL
        self.late = NULL
        self.judge = NULL

    cdef inline void mark(self, lock_t *l) noexcept nogil:
        """A wait queue whose lock is taken is no longer what it was when the execution began."""
        cdef uint64_t queue = <uint64_t>(<char *>l - <char *>self.m.wait_queues) // sizeof(wait_queue)
        if queue < NR_WAIT_QUEUES:
            self.execution.queues |= <uint64_t>1 << queue

    cdef void acquire(self, lock_t *l) noexcept nogil:
        """Context: on this CPU's stack. A wait counts when some decision found the lock held."""
        cdef uint64_t since = self.execution.clock_ns
        self.stores_done()
        self.my.generation += 1
        self.mark(l)
        self.execution.point(STEP_ACQUIRE, l, WRITES, NEVER)
        store64(&l.word, (self.my.generation << 8) | (self.id + 1))
        if not self.execution.tasks[self.id].waited:
            return
        if l.cls == CLASS_CLUSTER:
            account(self, WAIT_CLUSTER_LOCK, since)
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
        """Always enabled: it may fail, and that is an outcome to explore."""
        self.stores_done()
        self.my.generation += 1
        self.execution.point(STEP_TRY, l, WRITES, NEVER)
        if load64(&l.word) != 0:
            return False
        self.mark(l)
        store64(&l.word, (self.my.generation << 8) | (self.id + 1))
        if self.debug_locks:
            sleeping_lock(self, l.cls, True)
        return True

    cdef void unlock(self, lock_t *l) noexcept nogil:
        """Wakes nobody: who waits for the word is enabled by its being 0. A plain store, so it may be seen late."""
        if self.debug_locks:
            sleeping_unlock(self, l.cls)
        self.stores_done()
        if self.delayed_stores:
            self.keep_back(&l.word, 0, 8, STEP_RELEASE)
            if not self.execution.chance(LATE_PPM):
                self.stores_done()
            return
        self.execution.point(STEP_RELEASE, l, WRITES, NEVER)
        store64(&l.word, 0)

    cdef bint sleep(self, uint64_t due_ns, int cause) noexcept nogil:
        """Until a token comes (taken, True) or until `due_ns` (False)."""
        cdef uint64_t since = self.execution.clock_ns
        cdef uint32_t tokens
        might_sleep(self)
        self.stores_done()
        self.execution.tasks[self.id].cause = cause
        self.execution.point(STEP_PARK, &self.my.wake_tokens, WRITES, due_ns)
        tokens = load32(&self.my.wake_tokens)
        if tokens:
            store32(&self.my.wake_tokens, tokens - 1)
        account(self, cause, since)
        return tokens != 0

    cdef void park(self, int cause) noexcept nogil:
        self.sleep(NEVER, cause)

    cdef bint park_timeout(self, uint64_t ns, int cause) noexcept nogil:
        return self.sleep(self.execution.clock_ns + ns, cause)

    cdef void wake(self, uint32_t cpu) noexcept nogil:
        cdef uint32_t *tokens = &percpu_of(&self.m, cpu).wake_tokens
        self.stores_done()
        self.execution.point(STEP_ATOMIC, tokens, ADDS, NEVER)
        store32(tokens, load32(tokens) + 1)

    cdef void tick_sleep(self) noexcept nogil:
        """schedule_timeout_uninterruptible(1): the timer never fires early and rounds up, so 1 to 2 ticks pass."""
        cdef uint64_t since = self.execution.clock_ns, tick = self.m.control.tick_ns
        might_sleep(self)
        count(self, EV_TICK_SLEEPS)
        self.stores_done()
        self.execution.point(STEP_TICK, NULL, 0, (since // tick + 2) * tick)
        account(self, WAIT_TICK_SLEEP, since)
        trace(self, TRACE_TICK_SLEEP, 0, 0, 0)

    cdef void busy(self, uint64_t ns) noexcept nogil:
        """The clock is everybody's: while one CPU is busy, no other one does anything."""
        if ns == 0:
            return
        self.execution.point(STEP_BUSY, NULL, 0, NEVER)
        self.execution.clock_ns += ns

    cdef void relax(self, uint64_t ns) noexcept nogil:
        """Others go on meanwhile, as in a tick sleep: a look that finds nothing new is none to explore."""
        self.stores_done()
        self.execution.point(STEP_TICK, NULL, 0, self.execution.clock_ns + ns)

    cdef uint64_t now(self) noexcept nogil:
        return self.execution.clock_ns

    cdef void step(self, int kind, void *obj, int access) noexcept nogil:
        if access != READS:
            self.stores_done()
        self.execution.point(kind, obj, access, NEVER)

    cdef bint chance(self, uint32_t ppm) noexcept nogil:
        """Of the schedule, so that a search can take both ways, and a replay the same one."""
        return self.execution.chance(ppm)

    cdef void store_late(self, uint64_t *word, uint64_t value, uint32_t bytes) noexcept nogil:
        """The schedule chooses whether the store is seen now or late; one is kept back at a time."""
        self.stores_done()
        self.keep_back(word, value, bytes, STEP_ATOMIC)
        if not self.delayed_stores or not self.execution.chance(LATE_PPM):
            self.show_store()

    cdef inline void keep_back(self, uint64_t *word, uint64_t value, uint32_t bytes, int kind) noexcept nogil:
        self.late_value = value
        self.late_bytes = bytes
        self.late_kind = kind
        self.late = word

    cdef bint own_store(self, uint64_t *word, uint64_t *value) noexcept nogil:
        value[0] = self.late_value
        return self.late == word

    cdef void show_store(self) noexcept nogil:
        if self.late_bytes == 4:
            store32(<uint32_t *>self.late, <uint32_t>self.late_value)
        else:
            store64(self.late, self.late_value)
        self.late = NULL

    cdef void stores_done(self) noexcept nogil:
        """A store that was kept back is seen from here on: a step of its own."""
        if self.late != NULL:
            self.execution.point(self.late_kind, self.late, WRITES, NEVER)
            self.show_store()

    cdef void cluster_unlocked(self, uint32_t device, uint64_t cluster) noexcept nogil:
        """Context: that cluster's lock held, its last step taken. No scheduling point."""
        if self.checks != NULL and not self.checks.at_cluster(self.judge, self, device, cluster):
            self.execution.break_off()

    cdef void folio_unlocked(self, uint32_t pfn) noexcept nogil:
        """Context: that folio locked. No scheduling point."""
        if self.checks != NULL and not self.checks.at_folio(self.judge, self, pfn):
            self.execution.break_off()

    cdef void page_table_unlocked(self, uint32_t mm, uint64_t first, uint64_t end) noexcept nogil:
        """Context: the page-table lock of these pages held. No scheduling point.

        A page that was mapped for a slot that had changed hands is told by what it holds, or else as that.
        """
        cdef bint recycled = self.recycled
        self.recycled = False
        if self.checks == NULL:
            return
        if not self.checks.at_pages(self.judge, self, mm, first, end) or (
                recycled and not self.checks.at_warning(self.judge, self, WARN_SLOT_RECYCLED)):
            self.execution.break_off()

    cdef void step_warned(self, int warning) noexcept nogil:
        """Context: any. No scheduling point."""
        if warning == WARN_SLOT_RECYCLED:  # under the page-table lock: at its unlock
            self.recycled = True
        elif self.checks != NULL and not self.checks.at_warning(self.judge, self, warning):
            self.execution.break_off()

    cdef void forget(self) noexcept nogil:
        """Between executions: nothing of the last one is left in this object."""
        self.memalloc = False
        self.recycled = False
        self.late = NULL
        self.held.depth = 0
