"""F1. Flag, folio->swap and the swap cache are three records of one fact."""
from libc.stdint cimport uint32_t

from shm.folio cimport PG_SWAPCACHE, folio_t
from shm.layout cimport layout_t, percpu_of
from shm.slots cimport slot_word
from shm.swp_entry cimport swp_entry_t
from workers.invariants.law cimport Law, cached_at, entry_exists, finding_t, slot_of, tell


cdef bint is_claimed(layout_t *m, swp_entry_t entry) noexcept nogil:
    """Whether some CPU reads that slot past the swap cache."""
    cdef uint32_t cpu
    for cpu in range(<uint32_t>m.geo.cpus):
        if percpu_of(m, cpu).claimed_entry == entry:
            return True
    return False


cdef class CachedFlag(Law):
    """A folio has PG_swapcache exactly while folio->swap names a slot, and that slot's table word names the folio."""

    def __cinit__(self):
        self.id = "F1"
        self.points = ("F",)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef uint32_t pfn
        cdef folio_t *folio
        for pfn in range(1, <uint32_t>m.geo.folios):
            folio = &m.folios[pfn]
            if not folio.flags & PG_SWAPCACHE:
                if folio.refcount != 0 and folio.swap != 0 and not is_claimed(m, folio.swap):
                    tell(out, b"folio %lu is not in the swap cache, its folio->swap is 0x%lx", pfn, folio.swap, 0, 0)
            elif not entry_exists(m, folio.swap):
                tell(out, b"folio %lu is in the swap cache, and no slot is 0x%lx", pfn, folio.swap, 0, 0)
            elif cached_at(m, slot_word(m, slot_of(m, folio.swap))) != folio:
                tell(out, b"folio %lu is in the swap cache at 0x%lx, where the table word is 0x%lx", pfn, folio.swap,
                     slot_word(m, slot_of(m, folio.swap)), 0)
