"""C2. A count outside its bounds is an underflow or a double allocation that has wrapped."""
from libc.stdint cimport uint32_t, uint64_t

from shm.layout cimport cluster_of, layout_t
from workers.invariants.law cimport ClusterLaw, bad_slots, finding_t, tell

from workers.invariants.law import ALL


cdef class CountBounds(ClusterLaw):
    """The count of a cluster lies between its bad slots, those beyond the end included, and its slots."""

    def __cinit__(self):
        self.id = "C2"
        self.plain = True
        self.points = ("C",)
        self.cluster_protocols = ALL

    cdef void on_cluster(self, layout_t *m, uint32_t device, uint64_t cluster, finding_t *out) noexcept nogil:
        cdef uint64_t count = cluster_of(m, device, cluster).count
        if count > m.geo.cluster_slots or count < bad_slots(m, cluster):
            tell(out, b"device %lu cluster %lu: count is %lu, at least %lu slots are bad", device, cluster, count,
                 bad_slots(m, cluster))
