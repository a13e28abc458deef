"""Q8. At rest nobody is between claim and insertion, or between removal and the end of the claim: the bit says what the
table says."""
from libc.stdint cimport uint32_t, uint64_t

from shm.layout cimport layout_t
from shm.slots cimport slot_byte, slot_is_bad
from shm.swap_map cimport SWAP_HAS_CACHE
from shm.swap_table cimport swp_tb_is_folio
from workers.invariants.law cimport Law, finding_t, tell, word_at

from workers.invariants.law import HAS_BIT


cdef class BitIsCache(Law):
    """SWAP_HAS_CACHE is set on exactly those slots that the swap cache holds a folio of."""

    def __cinit__(self):
        self.id = "Q8"
        self.points = ("Q",)
        self.protocols = HAS_BIT

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef uint64_t i, slots = m.geo.slots, word
        for i in range(slots * m.geo.devices):
            if not slot_is_bad(m, i):
                word = word_at(m, <uint32_t>(i // slots), i % slots)
                if (slot_byte(m, i) & SWAP_HAS_CACHE != 0) != swp_tb_is_folio(word):
                    tell(out, b"device %lu slot %lu: the byte is 0x%lx, the table word 0x%lx", i // slots, i % slots,
                         slot_byte(m, i), word)
