"""P4. What a fault, an unmap, a fork or a zap took from a slot's count, and what it did to page tables, must be as much.

An anonymous page lies at the same page of every mm, so the PTEs that can name a slot are few. Counts change under the lock
of the PTE on whose behalf they do: while another CPU holds one of those locks, nothing can be said.
"""
from libc.stdint cimport uint32_t, uint64_t

from shm.atomic cimport load64
from shm.folio cimport PG_SWAPCACHE, folio_t
from shm.layout cimport layout_t, ptes_of, ptl_of
from shm.mm cimport is_swap_pte, pte_pfn, pte_present, pte_to_swp_entry
from shm.slots cimport slot_count
from shm.swp_entry cimport swp_entry_t
from workers.invariants.law cimport PageLaw, entry_exists, finding_t, folio_at, slot_of, tell


cdef swp_entry_t entry_behind(layout_t *m, uint64_t pte) noexcept nogil:
    """The slot that a PTE names, or that the folio it maps has; 0: none."""
    cdef folio_t *folio
    if is_swap_pte(pte):
        return pte_to_swp_entry(pte)
    if not pte_present(pte) or not 0 < pte_pfn(pte) < m.geo.folios:
        return 0
    folio = folio_at(m, pte_pfn(pte))
    return folio.swap + (&m.folios[pte_pfn(pte)] - folio) if folio.flags & PG_SWAPCACHE else 0


cdef class CountsFollow(PageLaw):
    """When a page-table lock is released, as many swap PTEs name the slot that a PTE names, or that the folio it maps has,
    as its count says, unless another CPU holds the lock of one of them."""

    def __cinit__(self):
        self.id = "P4"
        self.protocols = ()

    cdef void on_page(self, layout_t *m, uint32_t mm, uint64_t page, finding_t *out) noexcept nogil:
        cdef swp_entry_t entry = entry_behind(m, ptes_of(m, mm)[page])
        cdef uint64_t pte
        cdef uint32_t i, named = 0
        if not entry_exists(m, entry):
            return
        for i in range(<uint32_t>m.geo.mms):
            if i != mm and load64(&ptl_of(m, i, <uint32_t>page).word) != 0:
                return
            pte = ptes_of(m, i)[page]
            named += is_swap_pte(pte) and pte_to_swp_entry(pte) == entry
        if slot_count(m, slot_of(m, entry)) != named:
            tell(out, b"mm %lu page %lu: entry 0x%lx has a count of %lu, other than its swap PTEs", mm, page, entry,
                 slot_count(m, slot_of(m, entry)))
