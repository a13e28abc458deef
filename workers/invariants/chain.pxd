"""The laws asked at one place, as an array of borrowed objects."""
cimport cython
from libc.stdint cimport uint32_t, uint64_t
from shm.layout cimport layout_t
from workers.invariants.law cimport finding_t


@cython.final
cdef class Chain:
    cdef list laws  # first those that are always asked, then those of what is not plain: of a cluster, of a folio
    cdef void **law  # borrowed from the list
    cdef int *unless  # where each is not asked: ON_*
    cdef finding_t *findings
    cdef uint64_t total
    cdef int nr_always  # of them are not plain
    cdef int nr_clusters  # of them are not plain, or of a cluster
    cdef int nr

    cdef bint at_rest(self, layout_t *m) noexcept nogil
    cdef void folios_at_rest(self, layout_t *m) noexcept nogil
    cdef bint has_excused(self, layout_t *m) noexcept nogil
    cdef void where_excused(self, layout_t *m) noexcept nogil
    cdef bint on_cluster(self, layout_t *m, uint32_t device, uint64_t cluster) noexcept nogil
    cdef bint on_folio(self, layout_t *m, uint32_t pfn) noexcept nogil
    cdef bint on_pages(self, layout_t *m, uint32_t mm, uint64_t first, uint64_t end) noexcept nogil
    cdef bint on_warning(self, layout_t *m, int warning) noexcept nogil
