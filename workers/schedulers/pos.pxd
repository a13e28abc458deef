"""Partial order sampling: random priorities of steps, drawn again where their order mattered."""
from libc.stdint cimport uint64_t
from workers.schedulers.random_walk cimport RandomWalk

cdef enum:
    MAX_CPUS = 256  # ids are bytes

cdef class POS(RandomWalk):
    cdef uint64_t priority[MAX_CPUS]  # of the pending step of each CPU
