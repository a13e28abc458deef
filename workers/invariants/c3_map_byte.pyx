"""C3. The byte of a slot in swap_map has few legal values (kernel: include/linux/swap.h, up to 7.0)."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from shm.layout cimport layout_t
from shm.swap_map cimport SLOTS_MAP_CACHE, SLOTS_TABLE, SWAP_HAS_CACHE, SWAP_MAP_BAD, SWAP_MAP_SHMEM
from workers.invariants.law cimport ClusterLaw, finding_t, first_of, first_slot, last_of, tell

from workers.invariants.law import HAS_MAP


cdef class MapByte(ClusterLaw):
    """A slot's byte is a low count of 0 to 62, with COUNT_CONTINUED or without, or SWAP_MAP_SHMEM where the version has it,
    and with SWAP_HAS_CACHE where the version has it; exactly the header's is SWAP_MAP_BAD."""

    def __cinit__(self):
        self.id = "C3"
        self.plain = True
        self.points = ("C",)
        self.protocols = self.cluster_protocols = HAS_MAP

    cdef void on_cluster(self, layout_t *m, uint32_t device, uint64_t cluster, finding_t *out) noexcept nogil:
        cdef uint8_t *swap_map = &m.swap_map[first_slot(m, device)]
        cdef uint8_t foreign = SWAP_HAS_CACHE if m.geo.slot_format != SLOTS_MAP_CACHE else 0
        cdef uint64_t i
        if m.geo.slot_format == SLOTS_TABLE:
            return
        for i in range(first_of(m, cluster), last_of(m, cluster)):
            if i == 0:
                if swap_map[i] != SWAP_MAP_BAD:
                    tell(out, b"device %lu: the byte of the header slot is 0x%lx", device, swap_map[i], 0, 0)
            elif m.control.map_shmem and swap_map[i] & ~SWAP_HAS_CACHE == SWAP_MAP_SHMEM:
                continue
            elif swap_map[i] & SWAP_MAP_BAD == SWAP_MAP_BAD or swap_map[i] & foreign:
                tell(out, b"device %lu slot %lu: the byte is 0x%lx", device, i, swap_map[i], 0)
