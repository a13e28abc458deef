"""F9. Who has a page for itself stores to it without asking: a swap PTE that still names its slot would lose the store,
or see it."""
from libc.stdint cimport uint32_t, uint64_t

from shm.folio cimport PG_ANON_EXCLUSIVE, PG_SWAPCACHE, folio_t
from shm.layout cimport layout_t
from shm.slots cimport slot_count, slot_has_references
from workers.invariants.law cimport FolioLaw, entry_exists, finding_t, nr_pages, slot_of, tell


cdef class ExclusiveIsAlone(FolioLaw):
    """No swap PTE refers to the slot of a page that one PTE maps exclusively."""

    def __cinit__(self):
        self.id = "F9"
        self.plain = True

    cdef void on_folio(self, layout_t *m, uint32_t pfn, finding_t *out) noexcept nogil:
        cdef folio_t *folio = &m.folios[pfn]
        cdef uint64_t i
        if not folio.flags & PG_SWAPCACHE:
            return
        for i in range(nr_pages(m, folio)):
            if m.folios[pfn + i].flags & PG_ANON_EXCLUSIVE and entry_exists(m, folio.swap + i) and (
                    slot_has_references(m, slot_of(m, folio.swap + i))):
                tell(out, b"page %lu is mapped exclusively, and its slot 0x%lx has a count of %lu", pfn + i, folio.swap + i,
                     slot_count(m, slot_of(m, folio.swap + i)), 0)
