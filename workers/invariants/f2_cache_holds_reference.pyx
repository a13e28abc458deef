"""F2. The swap cache is one of a folio's owners."""
from libc.stdint cimport int64_t, uint32_t

from shm.folio cimport PG_SWAPCACHE, folio_t
from shm.layout cimport layout_t
from workers.invariants.law cimport FolioLaw, finding_t, nr_pages, tell


cdef class CacheHoldsReference(FolioLaw):
    """A folio in the swap cache has a reference for each of its pages: the swap cache's own."""

    def __cinit__(self):
        self.id = "F2"
        self.plain = True

    cdef void on_folio(self, layout_t *m, uint32_t pfn, finding_t *out) noexcept nogil:
        cdef folio_t *folio = &m.folios[pfn]
        if folio.flags & PG_SWAPCACHE and <int64_t>folio.refcount < <int64_t>nr_pages(m, folio):
            tell(out, b"folio %lu is in the swap cache at 0x%lx with a refcount of %ld", pfn, folio.swap, folio.refcount, 0)
