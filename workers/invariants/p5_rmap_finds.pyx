"""P5. Reclaim goes from a folio to its PTEs by anon_vma and index: a PTE that lies elsewhere is never found."""
from libc.stdint cimport uint32_t, uint64_t

from shm.folio cimport folio_t
from shm.layout cimport layout_t, ptes_of
from shm.mm cimport pte_pfn, pte_present
from workers.invariants.law cimport PageLaw, finding_t, folio_at, tell


cdef class RmapFinds(PageLaw):
    """Every present PTE lies at the index of its folio, in an mm of the folio's anon_vma."""

    def __cinit__(self):
        self.id = "P5"

    cdef void on_page(self, layout_t *m, uint32_t mm, uint64_t page, finding_t *out) noexcept nogil:
        cdef uint64_t pte = ptes_of(m, mm)[page]
        cdef uint32_t pfn = pte_pfn(pte)
        cdef folio_t *folio
        if not pte_present(pte) or not 0 < pfn < m.geo.folios:
            return  # Q7 tells of a folio that is none
        folio = folio_at(m, pfn)
        if folio.index + (&m.folios[pfn] - folio) != page or folio.anon_vma != m.mms[mm].anon_vma:
            tell(out, b"mm %lu page %lu: its folio is at index %lu of anon_vma %lu", mm, page, folio.index, folio.anon_vma)
