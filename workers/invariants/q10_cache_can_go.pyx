"""Q10. A slot that nobody refers to may keep its folio for a while: it is swap that looks used and is free. If it cannot be
taken back, swap is full of nothing."""
from libc.stdint cimport int32_t, uint32_t, uint64_t

from shm.folio cimport PG_LOCKED, PG_SWAPCACHE, PG_WRITEBACK, folio_nr_pages, folio_t
from shm.layout cimport layout_t
from shm.slots cimport slot_is_bad, slot_only_has_cache
from workers.invariants.law cimport Law, cached_at, finding_t, tell, word_at


cdef class CacheCanGo(Law):
    """A slot that only the swap cache pins can be taken back: its folio is unlocked, not under writeback, and nobody but the
    cache and the PTEs that map it holds it."""

    def __cinit__(self):
        self.id = "Q10"
        self.points = ("Q",)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef uint64_t i, slots = m.geo.slots
        cdef folio_t *folio
        for i in range(slots * m.geo.devices):
            if slot_is_bad(m, i) or not slot_only_has_cache(m, i):
                continue
            folio = cached_at(m, word_at(m, <uint32_t>(i // slots), i % slots))
            if folio == NULL:
                tell(out, b"device %lu slot %lu has neither a reference nor a folio, and is not free", i // slots, i % slots,
                     0, 0)
            elif folio.flags & (PG_SWAPCACHE | PG_LOCKED | PG_WRITEBACK) != PG_SWAPCACHE or (
                    folio.refcount != folio.mapcount + <int32_t>folio_nr_pages(folio)):
                tell(out, b"device %lu slot %lu: flags of its folio 0x%lx, %ld references", i // slots, i % slots,
                     folio.flags, folio.refcount)
