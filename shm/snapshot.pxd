"""The read-only view: a mapped segment with its layout resolved. Compiled readers take `m`; Python asks the methods."""
from libc.stdint cimport uint32_t, uint64_t
from shm.layout cimport layout_t

cdef class Snapshot:
    cdef layout_t m
    cdef Py_buffer view
    cdef bint open
    cdef readonly object geometry

    cdef int within(self, str what, object index, uint64_t count) except -1
    cdef dict lists_of(self, uint32_t device)
    cdef list zswap_list(self, uint32_t memcg)
    cdef list list_of(self, uint32_t device, uint32_t which)
    cdef object pte(self, uint64_t page, uint64_t pte, uint64_t expected)
