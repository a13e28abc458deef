"""C4. The patch keeps SWAP_HAS_CACHE as a mirror of the swap cache, written in the same critical section."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from shm.layout cimport cluster_of, layout_t, percpu_of
from shm.percpu cimport is_reserved
from shm.swap_map cimport SWAP_HAS_CACHE
from shm.swap_table cimport swp_tb_is_folio
from shm.swp_entry cimport swp_entry, swp_entry_t
from workers.invariants.law cimport ClusterLaw, finding_t, first_of, first_slot, last_of, tell, word_at, words_of


cdef bint reserved(layout_t *m, swp_entry_t entry) noexcept nogil:
    """Whether some CPU has allocated the slot and not yet put its folio there."""
    cdef uint32_t cpu
    for cpu in range(<uint32_t>m.geo.cpus):
        if is_reserved(percpu_of(m, cpu), entry):
            return True
    return False


cdef class CacheMirror(ClusterLaw):
    """SWAP_HAS_CACHE is set exactly where the table holds a folio, or a CPU has allocated and not yet inserted."""

    def __cinit__(self):
        self.id = "C4"
        self.plain = True
        self.points = ("C",)
        self.protocols = self.cluster_protocols = ("swap_cache_as_posted", "swap_cache")

    cdef void on_cluster(self, layout_t *m, uint32_t device, uint64_t cluster, finding_t *out) noexcept nogil:
        cdef uint8_t *swap_map = &m.swap_map[first_slot(m, device)]
        cdef uint64_t *words = words_of(m, cluster_of(m, device, cluster))
        cdef uint64_t i, first = first_of(m, cluster)
        cdef bint pinned, cached
        for i in range(first, last_of(m, cluster)):
            pinned = (swap_map[i] & SWAP_HAS_CACHE) != 0
            cached = words != NULL and swp_tb_is_folio(words[i - first])
            if pinned != cached and not reserved(m, swp_entry(device, i)):
                tell(out, b"device %lu slot %lu: the byte is 0x%lx, the table word 0x%lx", device, i, swap_map[i],
                     word_at(m, device, i))
