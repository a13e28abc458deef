"""C16. An allocation of an order looks at the lists of that order alone, so what lies on another one is not found."""
from libc.stdint cimport uint32_t, uint64_t

from shm.cluster cimport (
    CLUSTER_FLAG_FRAG, CLUSTER_FLAG_FREE, CLUSTER_FLAG_NONFULL, CLUSTER_NIL, NR_CLUSTER_FLAGS, flag_of_list, order_of_list,
    swap_cluster_info,
)
from shm.layout cimport cluster_of, layout_t
from workers.invariants.law cimport ClusterLaw, finding_t, tell

from workers.invariants.law import ALL


cdef void walk(layout_t *m, uint32_t device, uint32_t which, finding_t *out) noexcept nogil:
    """Follow one list from its head, no further than there are clusters."""
    cdef uint32_t at = m.si[device].lists[which].head
    cdef uint64_t nr = 0
    cdef swap_cluster_info *ci
    while at != CLUSTER_NIL and at < m.clusters_per_device and nr < m.clusters_per_device:
        ci = cluster_of(m, device, at)
        if ci.flags == flag_of_list(which) and ci.order != order_of_list(which):
            tell(out, b"device %lu cluster %lu has order %lu, and lies on the list of order %lu", device, at, ci.order,
                 order_of_list(which))
        nr += 1
        at = ci.next


cdef class ListOfOrder(ClusterLaw):
    """A NONFULL or FRAG cluster lies on the list of its order; no order is above what a cluster has room for, and a FREE
    cluster has order 0."""

    def __cinit__(self):
        self.id = "C16"
        self.points = ("C",)
        self.cluster_protocols = ALL

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef uint32_t device, which
        ClusterLaw.at_rest(self, m, out)
        for device in range(<uint32_t>m.geo.devices):
            for which in range(NR_CLUSTER_FLAGS + 2 * (m.cluster_orders - 1)):
                if flag_of_list(which) == CLUSTER_FLAG_NONFULL or flag_of_list(which) == CLUSTER_FLAG_FRAG:
                    walk(m, device, which, out)

    cdef void on_cluster(self, layout_t *m, uint32_t device, uint64_t cluster, finding_t *out) noexcept nogil:
        cdef swap_cluster_info *ci = cluster_of(m, device, cluster)
        if ci.order >= m.cluster_orders or (ci.flags == CLUSTER_FLAG_FREE and ci.order != 0):
            tell(out, b"device %lu cluster %lu: order %lu does not fit flag %lu", device, cluster, ci.order, ci.flags)
