"""C10. One word says all of a slot (mm/swap_table.h, 7.1): it must be one of four things."""
from libc.stdint cimport uint32_t, uint64_t

from shm.layout cimport cluster_of, layout_t
from shm.swap_table cimport SWP_TB_NULL, swp_tb_bad, swp_tb_is_folio, swp_tb_is_shadow, swp_tb_to_pfn
from workers.invariants.law cimport ClusterLaw, finding_t, first_of, last_of, tell, words_of


cdef class WordKinds(ClusterLaw):
    """A table word is NULL, a shadow, a folio of this memory, or (the header's) bad, and nothing else."""

    def __cinit__(self):
        self.id = "C10"
        self.points = ("C",)
        self.protocols = self.cluster_protocols = ("swap_table_count",)

    cdef void on_cluster(self, layout_t *m, uint32_t device, uint64_t cluster, finding_t *out) noexcept nogil:
        cdef uint64_t *words = words_of(m, cluster_of(m, device, cluster))
        cdef uint64_t i, word, first = first_of(m, cluster)
        if words == NULL:
            return
        for i in range(first, last_of(m, cluster)):
            word = words[i - first]
            if word == SWP_TB_NULL or swp_tb_is_shadow(word) or (i == 0 and word == swp_tb_bad()):
                continue
            if not swp_tb_is_folio(word) or not 0 < swp_tb_to_pfn(word) < m.geo.folios:
                tell(out, b"device %lu slot %lu: the table word is 0x%lx", device, i, word, 0)
