"""F1. Flag, folio->swap and the swap cache are three records of one fact."""
from libc.stdint cimport uint32_t, uint64_t

from shm.folio cimport PG_CLAIMED, PG_SWAPCACHE, folio_t
from shm.layout cimport layout_t
from shm.slots cimport slot_word
from workers.invariants.law cimport FolioLaw, cached_at, entry_exists, finding_t, nr_pages, slot_of, tell


cdef void look(layout_t *m, uint32_t pfn, uint32_t exempt, finding_t *out) noexcept nogil:
    """`exempt`: flags of folios that have an entry without being in the swap cache."""
    cdef folio_t *folio = &m.folios[pfn]
    cdef uint64_t i
    if not folio.flags & PG_SWAPCACHE:
        if folio.swap != 0 and folio.refcount != 0 and not folio.flags & exempt:
            tell(out, b"folio %lu is not in the swap cache, its folio->swap is 0x%lx", pfn, folio.swap, 0, 0)
    elif not entry_exists(m, folio.swap):
        tell(out, b"folio %lu is in the swap cache, and no slot is 0x%lx", pfn, folio.swap, 0, 0)
    else:
        for i in range(nr_pages(m, folio)):
            if not entry_exists(m, folio.swap + i) or cached_at(m, slot_word(m, slot_of(m, folio.swap + i))) != folio:
                tell(out, b"folio %lu is in the swap cache at 0x%lx, its slot %lu has no table word of its own", pfn,
                     folio.swap, i, 0)


cdef class CachedFlag(FolioLaw):
    """A folio has PG_swapcache exactly while folio->swap names a slot, and the table words of its slots, a page each from
    there on, name the folio."""

    def __cinit__(self):
        self.id = "F1"
        self.plain = True

    cdef void folio_at_rest(self, layout_t *m, uint32_t pfn, finding_t *out) noexcept nogil:
        look(m, pfn, 0, out)

    cdef void on_folio(self, layout_t *m, uint32_t pfn, finding_t *out) noexcept nogil:
        look(m, pfn, PG_CLAIMED, out)
