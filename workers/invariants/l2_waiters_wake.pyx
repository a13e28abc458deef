"""L2. A waiter that is not woken waits for ever, or until somebody happens to pass."""
from libc.stdint cimport uint32_t

from shm.layout cimport NR_WAIT_QUEUES, layout_t, percpu_of
from shm.percpu cimport WAIT_MODE_NONE
from shm.vmstat cimport WARN_LOST_WAKEUP, WARN_TABLE_STUCK
from workers.invariants.law cimport Law, finding_t, tell


cdef class WaitersWake(Law):
    """No CPU waits for what has happened already, and none waits when all are at rest."""

    def __cinit__(self):
        self.id = "L2"
        self.points = ("L",)
        self.noticed[WARN_LOST_WAKEUP] = b"CPU %lu waited on after its event: 0x%lx (0x%lx, 0x%lx)"
        self.noticed[WARN_TABLE_STUCK] = b"CPU %lu never got its folio: entry 0x%lx (0x%lx, 0x%lx)"

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef uint32_t i
        for i in range(<uint32_t>m.geo.cpus):
            if percpu_of(m, i).wait_mode != WAIT_MODE_NONE:
                tell(out, b"CPU %lu waits in mode %lu", i, percpu_of(m, i).wait_mode, 0, 0)
        for i in range(NR_WAIT_QUEUES):
            if m.wait_queues[i].head != 0:
                tell(out, b"wait queue %lu: CPU %lu waits in it", i, m.wait_queues[i].head - 1, 0, 0)
