"""Random walk: every enabled CPU is equally likely at every point."""
from libc.stdint cimport uint64_t
from workers.schedulers.schedule cimport Schedule

cdef class RandomWalk(Schedule):
    cdef uint64_t seed
    cdef uint64_t state
    cdef uint64_t draw(self) noexcept nogil
