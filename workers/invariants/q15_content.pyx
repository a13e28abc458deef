"""Q15. The oracle: whatever the protocols did, a program reads what it stored last.

`expected` holds the stamp of the last store of each page of each mm. The page itself lies in a mapped folio, in the
folio of the swap cache when that is uptodate, or else in the block of its slot.
"""
from libc.stdint cimport uint32_t, uint64_t

from shm.folio cimport PG_UPTODATE, folio_t
from shm.layout cimport block_of, expected_of, layout_t, payload_of, ptes_of
from shm.mm cimport is_migration_pte, is_swap_pte, pte_pfn, pte_present, pte_to_swp_entry
from shm.swp_entry cimport swp_entry_t, swp_offset, swp_type
from shm.vmstat cimport WARN_STALE_LOAD
from workers.invariants.law cimport PageLaw, cached_at, entry_exists, finding_t, nr_pages, slot_of, tell, word_at
from workers.mm.content cimport content_identity, content_intact, content_stamp


cdef char *swapped_copy(layout_t *m, swp_entry_t entry) noexcept nogil:
    """The authoritative copy of a slot that exists; NULL when there is none."""
    cdef folio_t *folio = cached_at(m, word_at(m, swp_type(entry), swp_offset(entry)))
    cdef uint32_t handle = m.handles[slot_of(m, entry)]
    if folio != NULL and folio.flags & PG_UPTODATE:
        return payload_of(m, <uint32_t>(folio - m.folios) + <uint32_t>(entry & (nr_pages(m, folio) - 1)))
    return block_of(m, swp_type(entry), handle) if 0 < handle <= m.geo.blocks else NULL


cdef void look(layout_t *m, uint32_t mm, uint64_t page, uint64_t pte, finding_t *out) noexcept nogil:
    cdef char *copy = NULL
    if pte_present(pte) or is_migration_pte(pte):
        if not 0 < pte_pfn(pte) < m.geo.folios:
            return  # Q7 tells it
        copy = payload_of(m, pte_pfn(pte))
    elif is_swap_pte(pte):
        if not entry_exists(m, pte_to_swp_entry(pte)):
            return  # P1 tells it
        copy = swapped_copy(m, pte_to_swp_entry(pte))
    elif expected_of(m, mm)[page] == 0:
        return
    if copy == NULL:
        tell(out, b"mm %lu page %lu is lost: PTE 0x%lx, and no copy of stamp 0x%lx", mm, page, pte,
             expected_of(m, mm)[page])
    elif content_stamp(copy) != expected_of(m, mm)[page]:
        tell(out, b"mm %lu page %lu: the stamp is 0x%lx, the last store 0x%lx", mm, page, content_stamp(copy),
             expected_of(m, mm)[page])
    elif not content_intact(copy, m.geo.payload_bytes) or <uint32_t>content_identity(copy) != page:
        tell(out, b"mm %lu page %lu: the content is torn, or of page 0x%lx", mm, page, content_identity(copy), 0)


cdef class Content(PageLaw):
    """Every page of every address space holds, wherever it lies, what was stored there last."""

    def __cinit__(self):
        self.id = "Q15"
        self.points = ("P", "Q", "T")
        self.noticed[WARN_STALE_LOAD] = b"CPU %lu loaded what was not stored last: 0x%lx (0x%lx, 0x%lx)"

    cdef void on_page(self, layout_t *m, uint32_t mm, uint64_t page, finding_t *out) noexcept nogil:
        look(m, mm, page, ptes_of(m, mm)[page], out)
