"""C18. swapoff empties the clusters one by one and never looks back: a slot taken behind its back is on a dead device."""
from libc.stdint cimport uint32_t, uint64_t

from shm.cluster cimport swap_cluster_info
from shm.layout cimport cluster_of, layout_t
from workers.invariants.law cimport ClusterLaw, finding_t, tell

from workers.invariants.law import ALL


cdef class NoNewSlots(ClusterLaw):
    """The count of a cluster does not grow once a swapoff has swept it, until the device takes pages again."""

    def __cinit__(self):
        self.id = "C18"
        self.points = ("C",)
        self.cluster_protocols = ALL

    cdef void on_cluster(self, layout_t *m, uint32_t device, uint64_t cluster, finding_t *out) noexcept nogil:
        cdef swap_cluster_info *ci = cluster_of(m, device, cluster)
        if ci.swept and ci.count != ci.swept - 1:
            tell(out, b"device %lu cluster %lu: count is %lu, it was %lu when swapoff went by", device, cluster, ci.count,
                 ci.swept - 1)
