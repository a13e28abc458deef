"""F8. What reclaim has taken all references of is gone at the next step: nothing may be left that only it holds."""
from libc.stdint cimport uint32_t

from shm.folio cimport PG_DIRTY, PG_SWAPCACHE, PG_WRITEBACK, folio_t
from shm.layout cimport layout_t
from workers.invariants.law cimport FolioLaw, finding_t, tell


cdef class FrozenIsClean(FolioLaw):
    """A folio without a reference, free or frozen by reclaim, is clean, unmapped, not under writeback and not in the swap
    cache."""

    def __cinit__(self):
        self.id = "F8"
        self.plain = True

    cdef void on_folio(self, layout_t *m, uint32_t pfn, finding_t *out) noexcept nogil:
        cdef folio_t *folio = &m.folios[pfn]
        if folio.refcount == 0 and (folio.flags & (PG_DIRTY | PG_WRITEBACK | PG_SWAPCACHE) or folio.mapcount != 0):
            tell(out, b"folio %lu has no reference, its flags are 0x%lx, its mapcount %ld", pfn, folio.flags,
                 folio.mapcount, 0)
