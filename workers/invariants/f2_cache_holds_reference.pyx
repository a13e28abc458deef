"""F2. The swap cache is one of a folio's owners."""
from libc.stdint cimport uint32_t

from shm.folio cimport PG_SWAPCACHE, folio_t
from shm.layout cimport layout_t
from workers.invariants.law cimport FolioLaw, finding_t, tell


cdef class CacheHoldsReference(FolioLaw):
    """A folio in the swap cache has a reference: the swap cache's own."""

    def __cinit__(self):
        self.id = "F2"
        self.plain = True

    cdef void on_folio(self, layout_t *m, uint32_t pfn, finding_t *out) noexcept nogil:
        cdef folio_t *folio = &m.folios[pfn]
        if folio.flags & PG_SWAPCACHE and folio.refcount < 1:
            tell(out, b"folio %lu is in the swap cache at 0x%lx without a reference", pfn, folio.swap, 0, 0)
