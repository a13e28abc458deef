"""P1. A page-table entry is what keeps a swapped-out page alive, and the slot must know."""
from libc.stdint cimport uint32_t, uint64_t

from shm.layout cimport layout_t, ptes_of
from shm.mm cimport is_swap_pte, pte_to_swp_entry
from shm.slots cimport slot_count, slot_has_references
from shm.swapfile cimport SWP_USED
from shm.swp_entry cimport swp_entry_t, swp_type
from shm.vmstat cimport WARN_MAP_BAD_SLOT
from workers.invariants.law cimport PageLaw, entry_exists, finding_t, slot_of, tell


cdef class SwapPte(PageLaw):
    """Every swap PTE names a slot that exists on a device in use, is not bad, and has a count of at least 1."""

    def __cinit__(self):
        self.id = "P1"
        self.noticed[WARN_MAP_BAD_SLOT] = b"CPU %lu met a swap PTE without a slot: entry 0x%lx (0x%lx, 0x%lx)"

    cdef void on_page(self, layout_t *m, uint32_t mm, uint64_t page, finding_t *out) noexcept nogil:
        cdef uint64_t pte = ptes_of(m, mm)[page]
        cdef swp_entry_t entry
        if not is_swap_pte(pte):
            return
        entry = pte_to_swp_entry(pte)
        if not entry_exists(m, entry):
            tell(out, b"mm %lu page %lu: swap PTE 0x%lx names no slot", mm, page, pte, 0)
        elif not slot_has_references(m, slot_of(m, entry)):
            tell(out, b"mm %lu page %lu: entry 0x%lx, whose count is %lu", mm, page, entry,
                 slot_count(m, slot_of(m, entry)))
        elif not m.si[swp_type(entry)].flags & SWP_USED:
            tell(out, b"mm %lu page %lu: entry 0x%lx on a device that is not in use", mm, page, entry, 0)
