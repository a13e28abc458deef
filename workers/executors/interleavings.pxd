"""The reference that a partial order reduction is measured with: all schedules, one after the other, and their classes."""
from libc.stdint cimport uint8_t, uint64_t
from workers.executors.engine cimport Engine
from workers.executors.execution cimport Execution
from workers.schedulers.schedule cimport Schedule, pending_t

cdef enum:
    MOST_STEPS = 4096
    MOST_CPUS = 64

cdef class AllSchedules(Schedule):
    cdef uint64_t untried[MOST_STEPS]  # sets of CPUs; of a chance: bits 0 and 1
    cdef uint8_t taken[MOST_STEPS]
    cdef int length
    cdef int position
    cdef bint begun
    cdef int answer(self, uint64_t choices) noexcept nogil

cdef struct seen_step_t:
    pending_t step
    uint64_t chances  # how those came out that it met
    int cpu
    int ordinal  # among the steps of its CPU
    int barrier  # of a sleep that ended because time had passed: so many steps came before that

cdef class ClassRecorder(Schedule):
    cdef Schedule inner
    cdef void *asked  # inner, borrowed
    cdef Execution execution
    cdef bint again  # the last execution once more: inner is not asked
    cdef uint8_t answers[MOST_STEPS]
    cdef int nr_answers
    cdef int position
    cdef seen_step_t steps[MOST_STEPS]
    cdef int nr_steps
    cdef int nr_of_cpu[MOST_CPUS]
    cdef uint64_t pendings  # hash of what all CPUs were about to do at every step
    cdef uint64_t *clocks
    cdef int keep_answer(self, int answer) noexcept nogil
    cdef void keep_step(self, int cpu) noexcept nogil
    cdef int slept_until[MOST_CPUS]  # 0: its sleep has not ended because of the time
    cdef bint is_timed(self, int cpu) noexcept nogil
    cdef void note_sleepers(self, const uint8_t *enabled, int nr) noexcept nogil
    cdef uint64_t class_hash(self) noexcept nogil

cdef object enumerate_with(Engine engine, list bodies, str search, uint64_t most, bint twice)
