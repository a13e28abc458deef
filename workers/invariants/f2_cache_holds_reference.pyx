"""F2. The swap cache is one of a folio's owners."""
from libc.stdint cimport uint32_t

from shm.folio cimport PG_SWAPCACHE, folio_t
from shm.layout cimport layout_t
from workers.invariants.law cimport Law, finding_t, tell


cdef class CacheHoldsReference(Law):
    """A folio in the swap cache has a reference: the swap cache's own."""

    def __cinit__(self):
        self.id = "F2"
        self.points = ("F",)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef uint32_t pfn
        cdef folio_t *folio
        for pfn in range(1, <uint32_t>m.geo.folios):
            folio = &m.folios[pfn]
            if folio.flags & PG_SWAPCACHE and folio.refcount < 1:
                tell(out, b"folio %lu is in the swap cache at 0x%lx without a reference", pfn, folio.swap, 0, 0)
