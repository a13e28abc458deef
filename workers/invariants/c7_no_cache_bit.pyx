"""C7. Phase II dropped SWAP_HAS_CACHE: whoever still writes it pins a slot that nobody will ever clear."""
from libc.stdint cimport uint32_t, uint64_t

from shm.layout cimport layout_t
from shm.slots cimport slot_byte
from shm.swap_map cimport SWAP_HAS_CACHE
from workers.invariants.law cimport ClusterLaw, finding_t, first_of, first_slot, last_of, tell


cdef class NoCacheBit(ClusterLaw):
    """No slot's byte has the bit that was SWAP_HAS_CACHE."""

    def __cinit__(self):
        self.id = "C7"
        self.plain = True
        self.points = ("C",)
        self.protocols = self.cluster_protocols = ("swap_table",)

    cdef void on_cluster(self, layout_t *m, uint32_t device, uint64_t cluster, finding_t *out) noexcept nogil:
        cdef uint64_t i
        for i in range(first_of(m, cluster), last_of(m, cluster)):
            if slot_byte(m, first_slot(m, device) + i) & SWAP_HAS_CACHE:
                tell(out, b"device %lu slot %lu: the byte is 0x%lx", device, i, slot_byte(m, first_slot(m, device) + i), 0)
