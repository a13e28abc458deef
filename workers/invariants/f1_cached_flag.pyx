"""F1. Flag, folio->swap and the swap cache are three records of one fact."""
from libc.stdint cimport uint32_t

from shm.folio cimport PG_CLAIMED, PG_SWAPCACHE, folio_t
from shm.layout cimport layout_t
from shm.slots cimport slot_word
from workers.invariants.law cimport FolioLaw, cached_at, entry_exists, finding_t, slot_of, tell


cdef void look(layout_t *m, uint32_t pfn, uint32_t exempt, finding_t *out) noexcept nogil:
    """`exempt`: flags of folios that have an entry without being in the swap cache."""
    cdef folio_t *folio = &m.folios[pfn]
    if not folio.flags & PG_SWAPCACHE:
        if folio.swap != 0 and folio.refcount != 0 and not folio.flags & exempt:
            tell(out, b"folio %lu is not in the swap cache, its folio->swap is 0x%lx", pfn, folio.swap, 0, 0)
    elif not entry_exists(m, folio.swap):
        tell(out, b"folio %lu is in the swap cache, and no slot is 0x%lx", pfn, folio.swap, 0, 0)
    elif cached_at(m, slot_word(m, slot_of(m, folio.swap))) != folio:
        tell(out, b"folio %lu is in the swap cache at 0x%lx, where the table word is 0x%lx", pfn, folio.swap,
             slot_word(m, slot_of(m, folio.swap)), 0)


cdef class CachedFlag(FolioLaw):
    """A folio has PG_swapcache exactly while folio->swap names a slot, and that slot's table word names the folio."""

    def __cinit__(self):
        self.id = "F1"
        self.plain = True

    cdef void folio_at_rest(self, layout_t *m, uint32_t pfn, finding_t *out) noexcept nogil:
        look(m, pfn, 0, out)

    cdef void on_folio(self, layout_t *m, uint32_t pfn, finding_t *out) noexcept nogil:
        look(m, pfn, PG_CLAIMED, out)
