"""The oracle's base class, and the plainest oracle."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef class Schedule:
    """Abstract. A subclass answers from its own state alone, so that equal numbers give equal executions."""

    cdef bint new_execution(self, uint64_t number) noexcept nogil:
        """Execution `number` is about to begin. False: there is none left."""
        return True

    cdef int next_cpu(self, const uint8_t *enabled, int nr, int last) noexcept nogil:
        """One of `enabled` (rising ids; two at least unless every_step); `last` ran last, -1 at the start.

        REFUSED ends the execution as diverged, CUT as redundant.
        """
        return REFUSED

    cdef int next_choice(self, uint32_t n) noexcept nogil:
        """A number from 0 to n - 1, n <= 256: what the execution leaves to chance. REFUSED ends the execution."""
        return REFUSED

    cdef bint next_chance(self, uint32_t ppm) noexcept nogil:
        """Whether something happens that has a probability of `ppm` in a million: an injected failure, a late store."""
        return False

    cdef void end_execution(self, uint64_t steps, bint complete) noexcept nogil:
        """The execution is over after so many steps. Not complete: it was cut, refused, or given up at its limit."""

    def refusal(self) -> str:
        """Why the last answer was REFUSED."""
        return "this oracle answers nothing"

    def left(self) -> int:
        """Answers that were to be given in the last execution and were not asked for; -1: one that was refused at a chance."""
        return 0


cdef class RoundRobin(Schedule):
    """Each CPU in its turn. Fair and without chance: for preparation, which is one story and not a race."""

    cdef int next_cpu(self, const uint8_t *enabled, int nr, int last) noexcept nogil:
        cdef int i
        for i in range(nr):
            if enabled[i] > last:
                return enabled[i]
        return enabled[0]

    cdef int next_choice(self, uint32_t n) noexcept nogil:
        return 0
