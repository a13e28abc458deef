"""Q16. A slot that is not in the swap cache is read from one place: with none its page is lost, with two one is stale."""
from libc.stdint cimport uint64_t

from shm.layout cimport layout_t
from shm.slots cimport slot_has_references, slot_in_zswap, slot_is_zero
from shm.swap_table cimport swp_tb_is_folio
from workers.invariants.law cimport Law, finding_t, tell, word_at


cdef void look(layout_t *m, uint64_t slot, finding_t *out) noexcept nogil:
    """A slot with references that is not in the swap cache."""
    cdef bint zero = slot_is_zero(m, slot)
    cdef uint64_t index = slot_in_zswap(m, slot), handle = m.handles[slot]
    if zero and index:
        tell(out, b"device %lu slot %lu is all zeroes, and entry %lu of zswap", slot // m.geo.slots, slot % m.geo.slots,
             index, 0)
    elif not zero and not 0 < index <= m.geo.zswap_pages and not 0 < handle <= m.geo.blocks:
        tell(out, b"device %lu slot %lu has neither zero bit nor entry (%lu) nor block (%lu)", slot // m.geo.slots,
             slot % m.geo.slots, index, handle)


cdef class OneCopy(Law):
    """A slot with references that is not in the swap cache has one copy that counts: its bit in the zero-filled map, or its
    entry in zswap, or, without both, its block on the device."""

    def __cinit__(self):
        self.id = "Q16"
        self.points = ("Q",)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef uint64_t slot
        for slot in range(m.geo.devices * m.geo.slots):
            if slot_has_references(m, slot) and not swp_tb_is_folio(word_at(m, slot // m.geo.slots, slot % m.geo.slots)):
                look(m, slot, out)
