"""States at rest that a judge has found legal: whoever comes to one of them again need not ask.

Interleavings are many and the states that they end in are few, so most schedules end in one that has been judged. A state
is what `Engine.reset` restores, less what says only how it was come to (see `fingerprint`): no law looks at that.
It is known by 64 bits; two states have the same ones with a chance of 2^-64.
"""
cimport cython
from libc.stdint cimport uint64_t
from shm.layout cimport layout_t, wait_queue

cdef enum:
    STATES = 4096  # remembered; a later one takes the place of an earlier one
    TRIAL = 16384  # looks after which it is seen whether states come again

@cython.final
cdef class SoundStates:
    cdef uint64_t *states
    cdef uint64_t looks
    cdef uint64_t found
    cdef void forget(self) noexcept nogil
    cdef bint is_worth_it(self) noexcept nogil
    cdef bint has(self, uint64_t state) noexcept nogil
    cdef void add(self, uint64_t state) noexcept nogil

cdef uint64_t fingerprint(const layout_t *m, uint64_t end, uint64_t queues, const wait_queue *pristine) noexcept nogil
