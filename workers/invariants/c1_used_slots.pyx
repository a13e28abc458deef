"""C1. The allocator trusts ci->count: one too few and a used slot is handed out, one too many and a slot is lost."""
from libc.stdint cimport uint32_t, uint64_t

from shm.layout cimport cluster_of, layout_t
from shm.slots cimport slot_is_free_at
from workers.invariants.law cimport ClusterLaw, bad_slots, finding_t, first_of, first_slot, last_of, tell, words_of

from workers.invariants.law import ALL


cdef class UsedSlots(ClusterLaw):
    """The count of a cluster is the number of its slots that are not free; bad ones and those beyond the end count."""

    def __cinit__(self):
        self.id = "C1"
        self.plain = True
        self.points = ("C",)
        self.cluster_protocols = ALL

    cdef void on_cluster(self, layout_t *m, uint32_t device, uint64_t cluster, finding_t *out) noexcept nogil:
        cdef uint64_t *words = words_of(m, cluster_of(m, device, cluster))
        cdef uint64_t i, first = first_of(m, cluster), used = bad_slots(m, cluster)
        for i in range(first + (1 if cluster == 0 else 0), last_of(m, cluster)):  # the header is bad
            used += not slot_is_free_at(m, first_slot(m, device) + i, NULL if words == NULL else &words[i - first])
        if cluster_of(m, device, cluster).count != used:
            tell(out, b"device %lu cluster %lu: count is %lu, %lu slots are not free", device, cluster,
                 cluster_of(m, device, cluster).count, used)
