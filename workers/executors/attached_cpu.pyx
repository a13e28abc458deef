"""The waits of a client's CPU: as a process's, but none of them outlasts the run."""
from libc.stdint cimport uint64_t

from shm.atomic cimport add32, cas64, cpu_relax, load64, store64, xchg32
from shm.lock cimport LOCK_SEM, SPINS_BEFORE_SLEEP, lock_t, lock_try, sem_down_timeout
from workers.executors.process_cpu cimport ProcessCpu


cdef class AttachedCpu(ProcessCpu):
    """`fileno`: the connection to the supervisor, for as long as the CPU is ours."""

    def __init__(self, int fileno):
        self.fileno = fileno

    cdef void look(self) noexcept nogil:
        """Leave the operation for good if the run is dead. Context: none; does not return then."""
        if sr_hung_up(self.fileno):
            sr_leave(&self.out)

    cdef void wait_for_lock(self, lock_t *l, uint64_t me) noexcept nogil:
        """As lock_slow (shm/lock.pxd), its sleeps cut into pieces."""
        cdef int spin
        for spin in range(SPINS_BEFORE_SLEEP):
            cpu_relax()
            if load64(&l.word) == 0 and lock_try(l, me):
                return
        if l.kind == LOCK_SEM:
            while not sem_down_timeout(&l.sem, LOOK_NS):
                self.look()
            store64(&l.word, me)
            return
        add32(&l.waiters, 1)
        while not cas64(&l.word, 0, me):
            if sem_down_timeout(&l.sem, LOOK_NS):
                xchg32(&l.pending, 0)
            else:
                self.look()
        add32(&l.waiters, <unsigned int>-1)

    cdef void wait_for_wake(self) noexcept nogil:
        while not sem_down_timeout(&self.my.wake, LOOK_NS):
            self.look()

    cdef bint park_timeout(self, uint64_t ns, int cause) noexcept nogil:
        cdef bint woken = ProcessCpu.park_timeout(self, ns, cause)
        if not woken:
            self.look()
        return woken

    cdef void tick_sleep(self) noexcept nogil:
        ProcessCpu.tick_sleep(self)
        self.look()

    cdef void busy(self, uint64_t ns) noexcept nogil:
        ProcessCpu.busy(self, ns)
        if self.now() > self.next_look_ns:  # loops that are busy between two looks at the world end here too
            self.next_look_ns = self.now() + LOOK_NS
            self.look()


cdef bint leave_by(AttachedCpu cpu, left_body body, void *arg) noexcept nogil:
    """Run `body(arg)` as that CPU. True when it was left because the run is dead."""
    return sr_leave_by(&cpu.out, body, arg)
