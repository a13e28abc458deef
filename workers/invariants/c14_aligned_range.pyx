"""C14. A folio of 2^n pages has 2^n slots: aligned, so that rounding an entry down finds its folio, and under one lock."""
from libc.stdint cimport uint32_t, uint64_t

from shm.cluster cimport SWAP_NR_ORDERS
from shm.folio cimport PG_SWAPCACHE, folio_t
from shm.layout cimport layout_t
from shm.swp_entry cimport swp_offset
from workers.invariants.law cimport FolioLaw, finding_t, tell


cdef class AlignedRange(FolioLaw):
    """The slots of a folio in the swap cache begin at a multiple of their number, and lie in one cluster."""

    def __cinit__(self):
        self.id = "C14"
        self.points = ("C", "F")

    cdef void on_folio(self, layout_t *m, uint32_t pfn, finding_t *out) noexcept nogil:
        cdef folio_t *folio = &m.folios[pfn]
        cdef uint64_t nr = <uint64_t>1 << (folio.order if folio.order < SWAP_NR_ORDERS else SWAP_NR_ORDERS)
        if folio.flags & PG_SWAPCACHE and (nr > m.geo.cluster_slots or swp_offset(folio.swap) % nr != 0):
            tell(out, b"folio %lu of order %lu is in the swap cache at 0x%lx; clusters have %lu slots", pfn, folio.order,
                 folio.swap, m.geo.cluster_slots)
