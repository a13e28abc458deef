"""L8. Two CPUs that take two locks in opposite orders wait for each other sooner or later (kernel: lockdep)."""
from shm.layout cimport layout_t
from shm.vmstat cimport WARN_LOCKDEP
from workers.invariants.law cimport Law, finding_t, tell_warnings


cdef class LockOrder(Law):
    """Locks are taken in one order of their classes, and nobody sleeps while holding a spinlock."""

    def __cinit__(self):
        self.id = "L8"
        self.points = ("L",)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        tell_warnings(m, WARN_LOCKDEP, b"CPU %lu took class %lu: finding %lu against class %lu", out)
