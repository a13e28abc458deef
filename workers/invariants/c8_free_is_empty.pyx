"""C8. What a free leaves in the table is found by the next owner of the slot: a stale shadow, or somebody's folio."""
from libc.stdint cimport uint32_t, uint64_t

from shm.layout cimport cluster_of, layout_t
from shm.slots cimport slot_byte, slot_has_references
from shm.swap_table cimport SWP_TB_NULL, swp_tb_bad, swp_tb_is_folio
from workers.invariants.law cimport ClusterLaw, finding_t, first_of, first_slot, tell, words_of

from workers.invariants.law import TABLE_UNDER_CLUSTER_LOCK


cdef class FreeIsEmpty(ClusterLaw):
    """The table word of a free slot is null, and that of a bad one bad."""

    def __cinit__(self):
        self.id = "C8"
        self.plain = True
        self.points = ("C",)
        self.cluster_protocols = TABLE_UNDER_CLUSTER_LOCK

    cdef void on_cluster(self, layout_t *m, uint32_t device, uint64_t cluster, finding_t *out) noexcept nogil:
        cdef uint64_t *words = words_of(m, cluster_of(m, device, cluster))
        cdef uint64_t i, first = first_of(m, cluster)
        cdef bint bad
        if words == NULL:
            return
        for i in range(first, first + m.geo.cluster_slots):
            bad = i == 0 or i >= m.geo.slots
            if bad != (words[i - first] == swp_tb_bad()):
                tell(out, b"device %lu slot %lu: the table word is 0x%lx, bad slots are 0 and those from %lu on",
                     device, i, words[i - first], m.geo.slots)
            elif not bad and words[i - first] != SWP_TB_NULL and not swp_tb_is_folio(words[i - first]) and (
                    not slot_has_references(m, first_slot(m, device) + i) and not slot_byte(m, first_slot(m, device) + i)):
                tell(out, b"device %lu slot %lu is free, its table word 0x%lx", device, i, words[i - first], 0)
