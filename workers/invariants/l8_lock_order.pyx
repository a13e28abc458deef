"""L8. Two CPUs that take two locks in opposite orders wait for each other sooner or later (kernel: lockdep)."""
from shm.vmstat cimport WARN_LOCKDEP
from workers.invariants.law cimport StepLaw


cdef class LockOrder(StepLaw):
    """Locks are taken in one order of their classes, and nobody sleeps while holding a spinlock."""

    def __cinit__(self):
        self.id = "L8"
        self.points = ("L", "T")
        self.noticed[WARN_LOCKDEP] = b"CPU %lu took class %lu: finding %lu against class %lu"
