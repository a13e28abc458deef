"""Q11. The id recorded on a slot says who pays for it (kernel: mm/swap_cgroup.c).

Version 2 records at allocation, version 1 when the folio leaves memory.
"""
from libc.stdint cimport uint32_t, uint64_t

from shm.layout cimport layout_t
from shm.slots cimport slot_count, slot_is_bad, slot_is_free
from shm.swap_table cimport swp_tb_is_folio
from workers.invariants.law cimport Law, finding_t, tell, word_at


cdef class CgroupId(Law):
    """A free slot has no id. cgroup v2: every used slot has one; v1: only used slots that are not in the swap cache."""

    def __cinit__(self):
        self.id = "Q11"
        self.points = ("Q",)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef uint64_t i, slots = m.geo.slots
        cdef uint64_t memcg
        cdef bint used, cached
        for i in range(slots * m.geo.devices):
            memcg = m.swap_cgroup[i]
            used = not slot_is_free(m, i) and not slot_is_bad(m, i)
            if memcg == 0 and not used:
                continue
            cached = swp_tb_is_folio(word_at(m, <uint32_t>(i // slots), i % slots))
            if memcg > m.geo.memcgs:
                tell(out, b"device %lu slot %lu: no memcg has id %lu", i // slots, i % slots, memcg, 0)
            elif not used:
                tell(out, b"device %lu slot %lu is free or bad, its id %lu", i // slots, i % slots, memcg, 0)
            elif m.control.memcg_version == 1:
                if memcg != 0 and cached:
                    tell(out, b"device %lu slot %lu: id %lu, and its folio is in memory", i // slots, i % slots,
                         memcg, 0)
            elif memcg == 0:
                tell(out, b"device %lu slot %lu is used (count %lu) and has no id", i // slots, i % slots,
                     slot_count(m, i), 0)
