"""Random walk over interleavings: the baseline of controlled concurrency testing.

Paper: Thomson, Donaldson, Betts, "Concurrency testing using schedule bounding" (PPoPP 2014; TOPC 2016): a uniform
choice among the enabled CPUs at every scheduling point, without memory, finds most of the bugs that bounded searches
find. Deviation: none; a point with one enabled CPU is no choice and draws no number.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from workers.schedulers.schedule cimport Schedule, mix64


cdef class RandomWalk(Schedule):
    """Schedule number k of a seed is always the same one, whatever ran before it."""

    def __init__(self, seed: int) -> None:
        self.seed = mix64(<uint64_t>(seed & 0xFFFFFFFFFFFFFFFF))
        self.state = 1

    cdef bint new_execution(self, uint64_t number) noexcept nogil:
        self.state = mix64(self.seed + number) | 1  # xorshift never leaves 0
        return True

    cdef int next_cpu(self, const uint8_t *enabled, int nr, int last) noexcept nogil:
        return enabled[(self.draw() * <uint64_t>nr) >> 32]

    cdef int next_choice(self, uint32_t n) noexcept nogil:
        return <int>((self.draw() * n) >> 32)

    cdef bint next_chance(self, uint32_t ppm) noexcept nogil:
        return (self.draw() * <uint64_t>1000000) >> 32 < ppm
