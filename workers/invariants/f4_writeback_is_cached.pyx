"""F4. A write under way needs its slot: a folio that left the swap cache meanwhile writes to somebody else's."""
from libc.stdint cimport uint32_t

from shm.folio cimport PG_SWAPCACHE, PG_WRITEBACK
from shm.layout cimport layout_t
from workers.invariants.law cimport FolioLaw, finding_t, tell


cdef class WritebackIsCached(FolioLaw):
    """A folio under writeback is in the swap cache."""

    def __cinit__(self):
        self.id = "F4"
        self.plain = True

    cdef void on_folio(self, layout_t *m, uint32_t pfn, finding_t *out) noexcept nogil:
        if m.folios[pfn].flags & (PG_WRITEBACK | PG_SWAPCACHE) == PG_WRITEBACK:
            tell(out, b"folio %lu is under writeback and not in the swap cache, its flags 0x%lx", pfn,
                 m.folios[pfn].flags, 0, 0)
