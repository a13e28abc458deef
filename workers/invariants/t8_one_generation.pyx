"""T8. Each free begins another generation of the slot. Whoever holds something of an earlier one holds somebody else's page.

Generations are kept in cooperative runs, for the laws alone.
"""
from libc.stdint cimport uint32_t, uint64_t

from shm.folio cimport PG_SWAPCACHE, folio_t
from shm.layout cimport generation_of, layout_t, read_generation_of
from shm.vmstat cimport WARN_SLOT_RECYCLED
from workers.invariants.law cimport FolioLaw, entry_exists, finding_t, slot_of, tell


cdef class OneGeneration(FolioLaw):
    """A folio in the swap cache is of its slot's present generation, and so is one that a swap-in maps."""

    def __cinit__(self):
        self.id = "T8"
        self.points = ("F", "T")
        self.noticed[WARN_SLOT_RECYCLED] = b"CPU %lu maps a folio of an earlier generation: entry 0x%lx, folio %lu, PTE 0x%lx"

    cdef void on_folio(self, layout_t *m, uint32_t pfn, finding_t *out) noexcept nogil:
        cdef folio_t *folio = &m.folios[pfn]
        if m.geo.generations == 0 or not folio.flags & PG_SWAPCACHE or folio.head != pfn:
            return
        if entry_exists(m, folio.swap) and (
                read_generation_of(m, pfn)[0] != generation_of(m, slot_of(m, folio.swap))[0]):
            tell(out, b"folio %lu is of generation %lu of slot 0x%lx, which is in generation %lu", pfn,
                 read_generation_of(m, pfn)[0], folio.swap, generation_of(m, slot_of(m, folio.swap))[0])
