"""F2. The swap cache is one of a folio's owners, and whoever locks a folio another one."""
from libc.stdint cimport int32_t, uint32_t

from shm.folio cimport PG_LOCKED, PG_SWAPCACHE, folio_t
from shm.layout cimport layout_t
from workers.invariants.law cimport FolioLaw, finding_t, tell


cdef class CacheHoldsReference(FolioLaw):
    """A folio in the swap cache has the swap cache's reference, and while it is locked another one."""

    def __cinit__(self):
        self.id = "F2"

    cdef void on_folio(self, layout_t *m, uint32_t pfn, finding_t *out) noexcept nogil:
        cdef folio_t *folio = &m.folios[pfn]
        cdef int32_t least = 2 if folio.flags & PG_LOCKED else 1
        if folio.flags & PG_SWAPCACHE and folio.refcount < least:
            tell(out, b"folio %lu is in the swap cache at 0x%lx with %ld references, %ld are due", pfn, folio.swap,
                 folio.refcount, least)
