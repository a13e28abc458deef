"""C11. A count of 15 in the word says that the count stands in the extend table; the two must agree."""
from libc.stdint cimport uint32_t, uint64_t

from shm.cluster cimport swap_cluster_info
from shm.layout cimport cluster_of, layout_t
from shm.slots cimport ext_count, slot_word
from shm.swap_table cimport SWP_TB_COUNT_MAX, swp_tb_to_count
from workers.invariants.law cimport ClusterLaw, finding_t, first_of, first_slot, last_of, tell


cdef class ExtendTable(ClusterLaw):
    """The count bits of a word are 15 exactly where the cluster's extend table holds 15 or more; elsewhere it holds 0, and
    a cluster has an extend table only while one of its slots needs it or an allocation has just given it one."""

    def __cinit__(self):
        self.id = "C11"
        self.points = ("C",)
        self.protocols = self.cluster_protocols = ("swap_table_count",)

    cdef void on_cluster(self, layout_t *m, uint32_t device, uint64_t cluster, finding_t *out) noexcept nogil:
        cdef swap_cluster_info *ci = cluster_of(m, device, cluster)
        cdef uint64_t i, slot
        cdef bint marked
        if ci.ext > m.geo.ext_tables or (ci.ext and not ci.table):
            tell(out, b"device %lu cluster %lu: extend table %lu, swap table %lu", device, cluster, ci.ext, ci.table)
            return
        for i in range(first_of(m, cluster), last_of(m, cluster)):
            slot = first_slot(m, device) + i
            marked = swp_tb_to_count(slot_word(m, slot)) == SWP_TB_COUNT_MAX
            if (ext_count(m, slot) >= SWP_TB_COUNT_MAX) != marked or (not marked and ext_count(m, slot)):
                tell(out, b"device %lu slot %lu: the table word is 0x%lx, the extend table holds %lu", device, i,
                     slot_word(m, slot), ext_count(m, slot))
