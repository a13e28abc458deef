"""C1. The allocator trusts ci->count: one too few and a used slot is handed out, one too many and a slot is lost."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from shm.layout cimport cluster_of, layout_t
from workers.invariants.law cimport ClusterLaw, bad_slots, finding_t, first_of, last_of, map_of, tell

from workers.invariants.law import ALL


cdef class UsedSlots(ClusterLaw):
    """The count of a cluster is the number of its slots that are not free; bad ones and those beyond the end count."""

    def __cinit__(self):
        self.id = "C1"
        self.points = ("C",)
        self.cluster_protocols = ALL

    cdef void on_cluster(self, layout_t *m, uint32_t device, uint64_t cluster, finding_t *out) noexcept nogil:
        cdef uint8_t *swap_map = map_of(m, device)
        cdef uint64_t i, used = bad_slots(m, cluster) - (1 if cluster == 0 else 0)  # the header has a byte
        for i in range(first_of(m, cluster), last_of(m, cluster)):
            if swap_map[i] != 0:
                used += 1
        if cluster_of(m, device, cluster).count != used:
            tell(out, b"device %lu cluster %lu: count is %lu, %lu slots are not free", device, cluster,
                 cluster_of(m, device, cluster).count, used)
