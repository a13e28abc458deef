"""Random walk: every enabled CPU is equally likely at every point."""
cimport cython
from libc.stdint cimport uint64_t
from workers.schedulers.schedule cimport Schedule

cdef class RandomWalk(Schedule):
    cdef uint64_t seed
    cdef uint64_t state

    @cython.final
    cdef inline uint64_t draw(self) noexcept nogil:
        """xorshift64* (Vigna 2016); the upper half is the good one."""
        self.state ^= self.state >> 12
        self.state ^= self.state << 25
        self.state ^= self.state >> 27
        return (self.state * <uint64_t>0x2545F4914F6CDD1D) >> 32
