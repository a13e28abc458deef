"""Source-DPOR: one execution, or little more, of every class of executions that differ only in what commutes."""
from libc.stdint cimport uint8_t, uint64_t
from workers.schedulers.executed_steps cimport MOST_CPUS, ExecutedSteps, node_t
from workers.schedulers.schedule cimport Schedule

cdef class SourceDpor(Schedule):
    cdef readonly ExecutedSteps steps
    cdef int position  # nodes of this execution so far
    cdef int step  # the last of them that is no chance, -1: none
    cdef int slept_until[MOST_CPUS]  # the place where time had passed enough for its last sleep
    cdef bint begun
    cdef bint cut
    cdef uint64_t asleep  # who could have gone on where this execution was cut
    cdef int trouble  # what makes further answers impossible
    cdef readonly bint exhausted
    cdef readonly uint64_t executions  # all
    cdef readonly uint64_t redundant  # of them, cut because all that could follow was seen
    cdef readonly uint64_t incomplete  # of them, ended before the CPUs did
    cdef readonly uint64_t races
    cdef readonly int longest

    cdef bint next_branch(self) noexcept nogil
    cdef int replay(self, uint64_t enabled) noexcept nogil
    cdef int extend(self, uint64_t enabled, int last) noexcept nogil
    cdef void fill(self, node_t *node) noexcept nogil
    cdef void note_sleepers(self, const node_t *node) noexcept nogil
    cdef uint64_t timed_now(self, uint64_t enabled) noexcept nogil
    cdef uint64_t asleep_now(self) noexcept nogil
    cdef uint64_t hash_pending(self) noexcept nogil
    cdef void analyse(self, int j) noexcept nogil
    cdef void blocked_too(self) noexcept nogil
