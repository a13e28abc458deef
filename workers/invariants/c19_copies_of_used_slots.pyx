"""C19. What is left of a slot's last owner would be read by its next one: a zero bit hides what is written, an entry too."""
from libc.stdint cimport uint32_t, uint64_t

from shm.layout cimport layout_t
from shm.slots cimport slot_in_zswap, slot_is_free, slot_is_zero
from workers.invariants.law cimport ClusterLaw, finding_t, first_of, first_slot, last_of, tell

from workers.invariants.law import ALL


cdef bint any_marked(layout_t *m, uint64_t first, uint64_t end) noexcept nogil:
    """Whether a word of the zero-filled map that slots [first, end) have a bit in is not 0."""
    cdef uint64_t word
    if m.geo.zeromap:
        for word in range(first >> 5, (end + 31) >> 5):
            if m.zeromap[word]:
                return True
    return False


cdef class CopiesOfUsedSlots(ClusterLaw):
    """A slot that the zero-filled map marks, or for which zswap keeps an entry, is not free."""

    def __cinit__(self):
        self.id = "C19"
        self.points = ("C",)
        self.cluster_protocols = ALL

    cdef void on_cluster(self, layout_t *m, uint32_t device, uint64_t cluster, finding_t *out) noexcept nogil:
        cdef uint64_t i, slot
        if m.geo.zswap_pages == 0 and not any_marked(m, first_slot(m, device) + first_of(m, cluster),
                                                     first_slot(m, device) + last_of(m, cluster)):
            return
        for i in range(first_of(m, cluster), last_of(m, cluster)):
            slot = first_slot(m, device) + i
            if (slot_is_zero(m, slot) or slot_in_zswap(m, slot) != 0) and slot_is_free(m, slot):
                tell(out, b"device %lu slot %lu is free, its zero bit is %lu, its entry in zswap %lu", device, i,
                     slot_is_zero(m, slot), slot_in_zswap(m, slot))
