"""C9. A shadow speaks of a page that was reclaimed: a slot that nobody refers to has none, or the next owner inherits it."""
from libc.stdint cimport uint32_t, uint64_t

from shm.layout cimport cluster_of, layout_t
from shm.slots cimport slot_has_references
from shm.swap_table cimport swp_tb_bad, swp_tb_is_shadow
from workers.invariants.law cimport ClusterLaw, finding_t, first_of, first_slot, last_of, tell, words_of


cdef class ShadowIsCounted(ClusterLaw):
    """A table word that holds a shadow belongs to a slot with at least one reference."""

    def __cinit__(self):
        self.id = "C9"
        self.plain = True
        self.points = ("C",)
        self.protocols = self.cluster_protocols = ("swap_table", "swap_table_count")

    cdef void on_cluster(self, layout_t *m, uint32_t device, uint64_t cluster, finding_t *out) noexcept nogil:
        cdef uint64_t *words = words_of(m, cluster_of(m, device, cluster))
        cdef uint64_t i, first = first_of(m, cluster)
        if words == NULL:
            return
        for i in range(first, last_of(m, cluster)):
            if words[i - first] != swp_tb_bad() and swp_tb_is_shadow(words[i - first]) and (
                    not slot_has_references(m, first_slot(m, device) + i)):
                tell(out, b"device %lu slot %lu has no reference, its table word is 0x%lx", device, i, words[i - first], 0)
