"""P2. A swap-in maps an exclusive entry writable at once: a sharer would see the stores, or its own would be lost."""
from libc.stdint cimport uint32_t, uint64_t

from shm.layout cimport layout_t, ptes_of
from shm.mm cimport PTE_SWP_EXCLUSIVE, is_swap_pte, pte_to_swp_entry
from shm.slots cimport slot_count
from workers.invariants.law cimport PageLaw, entry_exists, finding_t, slot_of, tell


cdef class ExclusiveEntry(PageLaw):
    """The slot that an exclusive swap PTE names has no other reference."""

    def __cinit__(self):
        self.id = "P2"

    cdef void on_page(self, layout_t *m, uint32_t mm, uint64_t page, finding_t *out) noexcept nogil:
        cdef uint64_t pte = ptes_of(m, mm)[page]
        if not is_swap_pte(pte) or not pte & PTE_SWP_EXCLUSIVE or not entry_exists(m, pte_to_swp_entry(pte)):
            return
        if slot_count(m, slot_of(m, pte_to_swp_entry(pte))) > 1:
            tell(out, b"mm %lu page %lu: exclusive entry 0x%lx, whose count is %lu", mm, page, pte_to_swp_entry(pte),
                 slot_count(m, slot_of(m, pte_to_swp_entry(pte))))
