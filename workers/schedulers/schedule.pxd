"""Who runs next: the oracle that the cooperative executor asks. Three questions, and nothing known of locks or memory.

The shape is Shuttle's (`scheduler/mod.rs`): an algorithm is one small file. All three are asked without the GIL, on any
CPU's stack.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    REFUSED = -1  # the oracle has no answer; `refusal()` says why

cdef class Schedule:
    cdef void new_execution(self, uint64_t number) noexcept nogil
    cdef int next_cpu(self, const uint8_t *enabled, int nr, int last) noexcept nogil
    cdef int next_choice(self, uint32_t n) noexcept nogil

cdef inline uint64_t mix64(uint64_t x) noexcept nogil:
    """splitmix64 (Steele, Lea, Flood 2014): unlike words from like ones; a bijection."""
    x += <uint64_t>0x9E3779B97F4A7C15
    x = (x ^ (x >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    x = (x ^ (x >> 27)) * <uint64_t>0x94D049BB133111EB
    return x ^ (x >> 31)

cdef class RoundRobin(Schedule):
    pass
