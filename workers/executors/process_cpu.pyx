"""The seam in real time: what a CPU of the kernel does, done by a process on the segment that it shares with others."""
from libc.stdint cimport uint32_t, uint64_t

from shm.clock cimport clock_ns, read_cycles, scale_cycles, sleep_ns
from shm.atomic cimport add32, cpu_relax
from shm.layout cimport percpu_of
from shm.lock cimport (
    CLASS_CLUSTER, CLASS_PTL, lock_release, lock_slow, lock_t, lock_try, sem_down, sem_down_timeout, sem_post,
)
from shm.trace cimport TRACE_TICK_SLEEP, TRACE_WAIT
from shm.vmstat cimport (
    EV_TICK_SLEEPS, WAIT_CLUSTER_LOCK, WAIT_OTHER_LOCK, WAIT_PAGE_TABLE_LOCK, WAIT_TICK_SLEEP,
)
from workers.cpu cimport Cpu, account, count, might_sleep, sleeping_lock, sleeping_unlock, trace
from workers.lockdep cimport lockdep_acquire


cdef void trace_wait(Cpu cpu, int kind, int cause, uint64_t since) noexcept nogil:
    """A wait that began at `since` is over; beyond 4 s its record says 4 s."""
    cdef uint64_t ns = cpu.now() - since
    trace(cpu, kind, 0, <uint32_t>-1 if ns > <uint32_t>-1 else <uint32_t>ns, cause)


cdef class ProcessCpu(Cpu):
    """CPU number `cpu` of the segment in `buffer` (a writable buffer that must outlive this object)."""

    cdef void wait_for_lock(self, lock_t *l, uint64_t me) noexcept nogil:
        lock_slow(l, me)

    cdef void wait_for_wake(self) noexcept nogil:
        sem_down(&self.my.wake)

    cdef void contended(self, lock_t *l, uint64_t me) noexcept nogil:
        cdef uint64_t since = self.now()
        cdef int cause = WAIT_OTHER_LOCK
        self.wait_for_lock(l, me)
        if l.cls == CLASS_CLUSTER:
            cause = WAIT_CLUSTER_LOCK
        elif l.cls == CLASS_PTL:
            cause = WAIT_PAGE_TABLE_LOCK
        account(self, cause, since)
        trace_wait(self, TRACE_WAIT, cause, since)

    cdef void lock(self, lock_t *l) noexcept nogil:
        cdef uint64_t me
        if self.debug_locks:
            sleeping_lock(self, l.cls, False)
        self.my.generation += 1
        me = (self.my.generation << 8) | (self.id + 1)
        if not lock_try(l, me):
            self.contended(l, me)

    cdef void lock_nested(self, lock_t *l) noexcept nogil:
        cdef uint64_t me
        if self.debug_locks:
            lockdep_acquire(self.lockdep, &self.held, l.cls, True, False)
        self.my.generation += 1
        me = (self.my.generation << 8) | (self.id + 1)
        if not lock_try(l, me):
            self.contended(l, me)

    cdef bint trylock(self, lock_t *l) noexcept nogil:
        self.my.generation += 1
        if not lock_try(l, (self.my.generation << 8) | (self.id + 1)):
            return False
        if self.debug_locks:
            sleeping_lock(self, l.cls, True)
        return True

    cdef void unlock(self, lock_t *l) noexcept nogil:
        if self.debug_locks:
            sleeping_unlock(self, l.cls)
        lock_release(l)

    cdef void park(self, int cause) noexcept nogil:
        cdef uint64_t since = self.now()
        might_sleep(self)
        self.wait_for_wake()
        add32(&self.my.wake_tokens, <uint32_t>-1)
        account(self, cause, since)
        trace_wait(self, TRACE_WAIT, cause, since)

    cdef bint park_timeout(self, uint64_t ns, int cause) noexcept nogil:
        cdef uint64_t since = self.now()
        cdef bint woken
        might_sleep(self)
        woken = sem_down_timeout(&self.my.wake, ns)
        if woken:
            add32(&self.my.wake_tokens, <uint32_t>-1)
        account(self, cause, since)
        return woken

    cdef void wake(self, uint32_t cpu) noexcept nogil:
        # Counted beside the semaphore, which hides its count: laws see it, and so does a sanitizer that does not know
        # sem_clockwait and would miss the order between waker and woken.
        add32(&percpu_of(&self.m, cpu).wake_tokens, 1)
        sem_post(&percpu_of(&self.m, cpu).wake)

    cdef void tick_sleep(self) noexcept nogil:
        """schedule_timeout_uninterruptible(1): the timer never fires early and rounds up, so 1 to 2 ticks pass."""
        cdef uint64_t since = self.now(), wall = clock_ns(), tick = self.m.control.tick_ns
        might_sleep(self)
        count(self, EV_TICK_SLEEPS)
        sleep_ns((wall // tick + 2) * tick - wall)
        account(self, WAIT_TICK_SLEEP, since)
        trace_wait(self, TRACE_TICK_SLEEP, WAIT_TICK_SLEEP, since)

    cdef void busy(self, uint64_t ns) noexcept nogil:
        cdef uint64_t until
        if ns == 0:
            return
        until = self.now() + ns
        while self.now() < until:
            cpu_relax()

    cdef uint64_t now(self) noexcept nogil:
        if self.m.control.use_tsc:
            return scale_cycles(read_cycles(), self.m.control.cycle_factor)
        return clock_ns()
