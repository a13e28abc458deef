"""F12. A folio that MADV_FREE gave up is dropped without a write: it must have no slot that a swap PTE might name."""
from libc.stdint cimport uint32_t

from shm.folio cimport PG_SWAPBACKED, PG_SWAPCACHE, folio_t
from shm.layout cimport layout_t
from workers.invariants.law cimport FolioLaw, finding_t, tell


cdef class CachedIsSwapbacked(FolioLaw):
    """A folio in the swap cache is swap-backed: one that was freed lazily is in none."""

    def __cinit__(self):
        self.id = "F12"

    cdef void on_folio(self, layout_t *m, uint32_t pfn, finding_t *out) noexcept nogil:
        cdef folio_t *folio = &m.folios[pfn]
        if folio.flags & (PG_SWAPCACHE | PG_SWAPBACKED) == PG_SWAPCACHE:
            tell(out, b"folio %lu is in the swap cache at 0x%lx and not swap-backed: flags 0x%lx", pfn, folio.swap,
                 folio.flags, 0)
