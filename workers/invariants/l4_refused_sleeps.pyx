"""L4. A loop that waits for somebody without sleeping ends only if that one runs. On the same CPU, or at a lower priority
than the one that loops, it does not: the soft lockups of 2009 and 2022 were such loops."""
from shm.layout cimport layout_t
from shm.vmstat cimport WARN_SPIN
from workers.invariants.law cimport Law, finding_t, tell_warnings


cdef class RefusedSleeps(Law):
    """Who is refused the claim of a slot sleeps before it asks again."""

    def __cinit__(self):
        self.id = "L4"
        self.points = ("L",)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        tell_warnings(m, WARN_SPIN, b"CPU %lu asked for entry 0x%lx again without having slept (%lu sleeps so far, %lu)", out)
