"""The laws of one protocol as compiled code asks them: one chain for each place."""
from libc.stdint cimport uint32_t, uint64_t
from shm.layout cimport layout_t
from workers.invariants.chain cimport Chain


cdef class Checker:
    cdef Chain rest
    cdef Chain cluster
    cdef Chain folio
    cdef Chain page
    cdef Chain steps
    cdef Chain known
    cdef readonly str protocol

    cdef tuple chains(self)
    cdef bint check_warned(self, layout_t *m) noexcept nogil
    cdef bint check_rest(self, layout_t *m) noexcept nogil
    cdef void note_known(self, layout_t *m) noexcept nogil
    cdef bint check_cluster(self, layout_t *m, uint32_t device, uint64_t cluster) noexcept nogil
    cdef bint check_folio(self, layout_t *m, uint32_t pfn) noexcept nogil
    cdef bint check_pages(self, layout_t *m, uint32_t mm, uint64_t first, uint64_t end) noexcept nogil
    cdef bint check_warning(self, layout_t *m, int warning) noexcept nogil
