"""L4. A loop that waits for somebody without sleeping ends only if that one runs. On the same CPU, or at a lower priority
than the one that loops, it does not: the soft lockups of 2009 and 2022 were such loops."""
from shm.vmstat cimport WARN_SPIN
from workers.invariants.law cimport StepLaw


cdef class RefusedSleeps(StepLaw):
    """Who is refused the claim of a slot sleeps before it asks again."""

    def __cinit__(self):
        self.id = "L4"
        self.points = ("L", "T")
        self.noticed[WARN_SPIN] = b"CPU %lu asked for entry 0x%lx again without having slept (%lu sleeps so far, %lu)"
