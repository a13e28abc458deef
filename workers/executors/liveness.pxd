"""Questions about the liveness of an execution. No scheduling points; memory is only read."""
from libc.stdint cimport uint8_t, uint64_t
from workers.executors.execution cimport Execution

cdef bint is_left_alone(Execution e) noexcept nogil
cdef bint in_circle(Execution e, int task) noexcept nogil
cdef void count_passed(Execution e, int task) noexcept nogil
cdef uint64_t head_of(Execution e, int task) noexcept nogil
cdef int follow(Execution e, const uint8_t *enabled, int nr) noexcept nogil
cdef bint somebody_can_go_on(Execution e) noexcept nogil
cdef bint was_fair(Execution e) noexcept nogil
