"""P1. A page-table entry is what keeps a swapped-out page alive, and the slot must know."""
from libc.stdint cimport uint32_t, uint64_t

from shm.layout cimport layout_t, ptes_of
from shm.mm cimport MM_UNUSED, is_swap_pte, pte_to_swp_entry
from shm.slots cimport slot_count, slot_has_references
from shm.swapfile cimport SWP_USED
from shm.swp_entry cimport swp_entry_t, swp_type
from shm.vmstat cimport WARN_MAP_BAD_SLOT
from workers.invariants.law cimport Law, entry_exists, finding_t, slot_of, tell, tell_warnings


cdef class SwapPte(Law):
    """Every swap PTE names a slot that exists on a device in use, is not bad, and has a count of at least 1."""

    def __cinit__(self):
        self.id = "P1"
        self.points = ("P",)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef uint32_t mm
        cdef uint64_t page
        cdef uint64_t *ptes
        cdef swp_entry_t entry
        for mm in range(<uint32_t>m.geo.mms):
            if m.mms[mm].state == MM_UNUSED:
                continue
            ptes = ptes_of(m, mm)
            for page in range(m.geo.pages):
                if not is_swap_pte(ptes[page]):
                    continue
                entry = pte_to_swp_entry(ptes[page])
                if not entry_exists(m, entry):
                    tell(out, b"mm %lu page %lu: swap PTE 0x%lx names no slot", mm, page, ptes[page], 0)
                    continue
                if not slot_has_references(m, slot_of(m, entry)):
                    tell(out, b"mm %lu page %lu: entry 0x%lx, whose count is %lu", mm, page, entry,
                         slot_count(m, slot_of(m, entry)))
                elif not m.si[swp_type(entry)].flags & SWP_USED:
                    tell(out, b"mm %lu page %lu: entry 0x%lx on a device that is not in use", mm, page, entry, 0)
        tell_warnings(m, WARN_MAP_BAD_SLOT, b"CPU %lu met a swap PTE without a slot: entry 0x%lx (0x%lx, 0x%lx)", out)
