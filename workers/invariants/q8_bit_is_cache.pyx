"""Q8. At rest nobody is between claim and insertion, or between removal and the end of the claim: the bit says what the
table says."""
from libc.stdint cimport uint32_t, uint64_t

from shm.layout cimport cluster_of, layout_t
from shm.slots cimport slot_byte
from shm.swap_map cimport SWAP_HAS_CACHE
from shm.swap_table cimport swp_tb_is_folio
from workers.invariants.law cimport Law, finding_t, first_of, first_slot, last_of, tell, words_of

from workers.invariants.law import HAS_BIT


cdef class BitIsCache(Law):
    """SWAP_HAS_CACHE is set on exactly those slots that the swap cache holds a folio of."""

    def __cinit__(self):
        self.id = "Q8"
        self.points = ("Q",)
        self.protocols = HAS_BIT
        self.plain = True

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef uint32_t device
        cdef uint64_t cluster, i, first
        cdef uint64_t *words
        cdef bint cached
        for device in range(<uint32_t>m.geo.devices):
            for cluster in range(m.clusters_per_device):
                words = words_of(m, cluster_of(m, device, cluster))
                first = first_of(m, cluster)
                for i in range(first if first else 1, last_of(m, cluster)):
                    cached = words != NULL and swp_tb_is_folio(words[i - first])
                    if (slot_byte(m, first_slot(m, device) + i) & SWAP_HAS_CACHE != 0) != cached:
                        tell(out, b"device %lu slot %lu: the byte is 0x%lx, the table holds a folio: %lu", device, i,
                             slot_byte(m, first_slot(m, device) + i), cached)
