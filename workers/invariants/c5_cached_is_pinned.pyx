"""C5. A slot whose folio lies in the swap cache must not be handed out again."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from shm.layout cimport cluster_of, layout_t
from shm.swap_map cimport SWAP_HAS_CACHE
from shm.swap_table cimport swp_tb_is_folio
from workers.invariants.law cimport ClusterLaw, finding_t, first_of, first_slot, last_of, tell, words_of

from workers.invariants.law import HAS_BIT, TABLE_UNDER_CLUSTER_LOCK


cdef class CachedIsPinned(ClusterLaw):
    """Where the table holds a folio, the slot's byte has SWAP_HAS_CACHE."""

    def __cinit__(self):
        self.id = "C5"
        self.plain = True
        self.points = ("C",)
        self.protocols = HAS_BIT
        self.cluster_protocols = tuple(name for name in HAS_BIT if name in TABLE_UNDER_CLUSTER_LOCK)

    cdef void on_cluster(self, layout_t *m, uint32_t device, uint64_t cluster, finding_t *out) noexcept nogil:
        cdef uint8_t *swap_map = &m.swap_map[first_slot(m, device)]
        cdef uint64_t *words = words_of(m, cluster_of(m, device, cluster))
        cdef uint64_t i, first = first_of(m, cluster)
        if words == NULL:
            return
        for i in range(first, last_of(m, cluster)):
            if swp_tb_is_folio(words[i - first]) and not swap_map[i] & SWAP_HAS_CACHE:
                tell(out, b"device %lu slot %lu: the byte is 0x%lx, the table word 0x%lx", device, i, swap_map[i],
                     words[i - first])
