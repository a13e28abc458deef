"""F6. The lock of a folio that is read is what its readers wait for: unlocked too early, they find no content."""
from libc.stdint cimport uint32_t

from shm.folio cimport PG_ERROR, PG_SWAPCACHE, PG_UPTODATE
from shm.layout cimport layout_t
from workers.invariants.law cimport FolioLaw, finding_t, tell


cdef class ReadBeforeUnlock(FolioLaw):
    """A folio that is unlocked in the swap cache is uptodate, unless its read has failed."""

    def __cinit__(self):
        self.id = "F6"
        self.plain = True

    cdef void on_folio(self, layout_t *m, uint32_t pfn, finding_t *out) noexcept nogil:
        if m.folios[pfn].flags & (PG_SWAPCACHE | PG_UPTODATE | PG_ERROR) == PG_SWAPCACHE:
            tell(out, b"folio %lu is in the swap cache at 0x%lx, and nobody has read it: flags 0x%lx", pfn,
                 m.folios[pfn].swap, m.folios[pfn].flags, 0)
