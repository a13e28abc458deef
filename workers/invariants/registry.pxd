"""The laws as chains that compiled code walks without the GIL: each link a law and what it has found."""
from libc.stdint cimport uint32_t, uint64_t
from shm.layout cimport layout_t
from workers.invariants.law cimport Law, finding_t

cdef class Link:
    cdef Law law
    cdef Link next
    cdef bint last
    cdef int unless
    cdef finding_t finding

    cdef bint at_rest(self, layout_t *m) noexcept nogil
    cdef bint on_cluster(self, layout_t *m, uint32_t device, uint64_t cluster) noexcept nogil

cdef class Checker:
    cdef Link rest
    cdef Link cluster
    cdef bint any_rest
    cdef bint any_cluster
    cdef readonly str protocol

    cdef bint check_rest(self, layout_t *m) noexcept nogil
    cdef bint check_cluster(self, layout_t *m, uint32_t device, uint64_t cluster) noexcept nogil
