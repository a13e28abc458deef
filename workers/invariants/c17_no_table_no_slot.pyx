"""C17. The table of a cluster goes back when its last slot is free; one that goes earlier takes the words of others along."""
from libc.stdint cimport uint32_t, uint64_t

from shm.cluster cimport swap_cluster_info
from shm.layout cimport cluster_of, layout_t
from shm.swapfile cimport SWP_USED
from workers.invariants.law cimport ClusterLaw, bad_slots, finding_t, tell, words_of

from workers.invariants.law import ALL


cdef class NoTableNoSlot(ClusterLaw):
    """A cluster without a table has no used slot and no extend table; of a device that is off, none but its bad slots."""

    def __cinit__(self):
        self.id = "C17"
        self.points = ("C",)
        self.cluster_protocols = ALL

    cdef void on_cluster(self, layout_t *m, uint32_t device, uint64_t cluster, finding_t *out) noexcept nogil:
        cdef swap_cluster_info *ci = cluster_of(m, device, cluster)
        cdef uint64_t bad = 0 if m.si[device].flags & SWP_USED else bad_slots(m, cluster)
        if words_of(m, ci) == NULL and (ci.count > bad or ci.ext != 0):
            tell(out, b"device %lu cluster %lu has no table, a count of %lu and extend table %lu", device, cluster,
                 ci.count, ci.ext)
