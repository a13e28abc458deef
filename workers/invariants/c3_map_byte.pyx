"""C3. The byte of a slot in swap_map has few legal values (kernel: include/linux/swap.h, up to 7.0)."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from shm.layout cimport layout_t
from shm.swap_map cimport SWAP_MAP_BAD, SWAP_MAP_MAX, swap_count
from workers.invariants.law cimport ClusterLaw, finding_t, first_of, last_of, map_of, tell

from workers.invariants.law import ALL


cdef class MapByte(ClusterLaw):
    """A slot's byte is a count of 0 to 62, with or without SWAP_HAS_CACHE; exactly the header's is SWAP_MAP_BAD."""

    def __cinit__(self):
        self.id = "C3"
        self.points = ("C",)
        self.cluster_protocols = ALL

    cdef void on_cluster(self, layout_t *m, uint32_t device, uint64_t cluster, finding_t *out) noexcept nogil:
        cdef uint8_t *swap_map = map_of(m, device)
        cdef uint64_t i
        for i in range(first_of(m, cluster), last_of(m, cluster)):
            if i == 0:
                if swap_map[i] != SWAP_MAP_BAD:
                    tell(out, b"device %lu: the byte of the header slot is 0x%lx", device, swap_map[i], 0, 0)
            elif swap_count(swap_map[i]) > SWAP_MAP_MAX:
                tell(out, b"device %lu slot %lu: the byte is 0x%lx", device, i, swap_map[i], 0)
