"""Probabilistic concurrency testing: random priorities, and a few places where they change."""
from libc.stdint cimport uint8_t, uint16_t, uint64_t
from workers.schedulers.random_walk cimport RandomWalk

cdef enum:
    MAX_CPUS = 256  # ids are bytes
    MAX_DEPTH = 16

cdef class PCT(RandomWalk):
    cdef readonly int depth
    cdef readonly int n  # CPUs that take part, the device's included; 0 before the first execution with a choice
    cdef readonly uint64_t k  # positions that a change point is drawn from
    cdef readonly uint64_t settled  # executions begun since k last grew
    cdef readonly uint64_t fair_after  # steps of an execution after which it goes on as a random walk
    cdef uint64_t asked  # steps of this execution
    cdef uint64_t position  # steps and demotions of this execution
    cdef int passed  # change points behind `position`
    cdef uint64_t change_at[MAX_DEPTH]  # rising; the last is beyond any position
    cdef uint16_t change_to[MAX_DEPTH]
    cdef uint16_t priority[MAX_CPUS]
    cdef void draw_change_points(self) noexcept nogil
    cdef int demote(self, const uint8_t *enabled, int nr, int chosen) noexcept nogil
