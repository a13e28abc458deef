"""F9. Who has a page for itself stores to it without asking: a swap PTE that still names its slot would lose the store,
or see it."""
from libc.stdint cimport uint32_t

from shm.folio cimport PG_ANON_EXCLUSIVE, PG_SWAPCACHE, folio_t
from shm.layout cimport layout_t
from shm.slots cimport slot_count, slot_has_references
from workers.invariants.law cimport FolioLaw, entry_exists, finding_t, slot_of, tell


cdef class ExclusiveIsAlone(FolioLaw):
    """No swap PTE refers to the slot of a folio that one PTE maps exclusively."""

    def __cinit__(self):
        self.id = "F9"
        self.plain = True

    cdef void on_folio(self, layout_t *m, uint32_t pfn, finding_t *out) noexcept nogil:
        cdef folio_t *folio = &m.folios[pfn]
        if folio.flags & (PG_ANON_EXCLUSIVE | PG_SWAPCACHE) != PG_ANON_EXCLUSIVE | PG_SWAPCACHE:
            return
        if entry_exists(m, folio.swap) and slot_has_references(m, slot_of(m, folio.swap)):
            tell(out, b"folio %lu is mapped exclusively, and its slot 0x%lx has a count of %lu", pfn, folio.swap,
                 slot_count(m, slot_of(m, folio.swap)), 0)
