"""C15. The list of a cluster says how full it is, and the allocator looks nowhere else.

Under the cluster lock the flag, the count and the table can be seen; the links belong to si->lock and are walked at
rest. A device that is off has no table, not even where it has bad slots.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from shm.cluster cimport (
    CLUSTER_FLAG_DISCARD, CLUSTER_FLAG_FREE, CLUSTER_FLAG_FULL, CLUSTER_FLAG_NONE, CLUSTER_NIL, NR_CLUSTER_FLAGS,
    cluster_list, flag_of_list, swap_cluster_info,
)
from shm.layout cimport cluster_of, layout_t
from shm.swapfile cimport SWP_USED
from shm.vmstat cimport WARN_TABLE_TWICE
from workers.invariants.law cimport ClusterLaw, finding_t, give_back, scratch_t, tell, zeroed

from workers.invariants.law import ALL


cdef void walk(layout_t *m, uint32_t device, uint32_t which, uint8_t *seen, finding_t *out) noexcept nogil:
    """Follow one list from its head: flags, back links, tail and length. Marks what lies on it."""
    cdef cluster_list *lst = &m.si[device].lists[which]
    cdef uint32_t at = lst.head, before = CLUSTER_NIL, nr = 0, flag = flag_of_list(which)
    cdef swap_cluster_info *ci
    while at != CLUSTER_NIL and at < m.clusters_per_device:
        ci = cluster_of(m, device, at)
        if seen[at] or ci.flags != flag or ci.prev != before:
            tell(out, b"device %lu list %lu: cluster %lu, flag %lu, is on two lists, on a wrong one or linked wrongly",
                 device, which, at, ci.flags)
            return
        seen[at] = 1
        nr += 1
        before = at
        at = ci.next
    if at != CLUSTER_NIL or lst.tail != before or lst.nr != nr:
        tell(out, b"device %lu list %lu: %lu clusters hang on it, its length is %lu or its tail another", device, which,
             nr, lst.nr)


cdef class ClusterLists(ClusterLaw):
    """A cluster without a used slot and without a table is FREE, a full one FULL, all others NONFULL or FRAG, each on
    the list of its flag and on no other; flag NONE: off every list, and one CPU owns it; DISCARD: no used slot."""

    def __cinit__(self):
        self.id = "C15"
        self.points = ("C",)
        self.cluster_protocols = ALL
        self.noticed[WARN_TABLE_TWICE] = b"CPU %lu: its isolated cluster, from entry 0x%lx on, has table %lu, flag %lu"

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef scratch_t marks
        cdef uint8_t *seen
        cdef uint32_t device, which
        cdef uint64_t i
        ClusterLaw.at_rest(self, m, out)
        for device in range(<uint32_t>m.geo.devices):
            seen = <uint8_t *>zeroed(&marks, m.clusters_per_device)
            if seen == NULL:
                tell(out, b"not looked at: no memory to walk the lists", 0, 0, 0, 0)
                return
            for which in range(NR_CLUSTER_FLAGS + 2 * (m.cluster_orders - 1)):
                walk(m, device, which, seen, out)
            for i in range(m.clusters_per_device):
                if seen[i] != (cluster_of(m, device, i).flags != CLUSTER_FLAG_NONE):
                    tell(out, b"device %lu cluster %lu: flag %lu, on a list: %lu", device, i,
                         cluster_of(m, device, i).flags, seen[i])
            give_back(&marks)

    cdef void on_cluster(self, layout_t *m, uint32_t device, uint64_t cluster, finding_t *out) noexcept nogil:
        cdef swap_cluster_info *ci = cluster_of(m, device, cluster)
        cdef bint right, off = not m.si[device].flags & SWP_USED, table = 0 < ci.table <= m.geo.tables
        if ci.flags == CLUSTER_FLAG_NONE:
            right = 0 < ci.owner <= m.geo.cpus
        elif ci.flags == CLUSTER_FLAG_FREE:
            right = ci.count == 0 and ci.table == 0
        elif ci.flags == CLUSTER_FLAG_DISCARD:
            right = ci.count == 0 and (table or off)
        elif ci.flags == CLUSTER_FLAG_FULL:
            right = ci.count == m.geo.cluster_slots and (table or off)
        else:
            right = ci.flags < NR_CLUSTER_FLAGS and 0 < ci.count < m.geo.cluster_slots and (table or off)
        if not right:
            tell(out, b"device %lu cluster %lu: flag %lu does not fit a count of %lu, its table or its owner", device,
                 cluster, ci.flags, ci.count)
