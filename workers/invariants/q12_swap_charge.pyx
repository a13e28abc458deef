"""Q12. What a memcg is charged for swap is what the slots say. In v1, memsw is memory and swap together."""
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free

from shm.layout cimport layout_t
from shm.memcg cimport mem_cgroup
from workers.invariants.law cimport Law, finding_t, tell


cdef void look(layout_t *m, uint64_t i, int64_t recorded, int64_t used, finding_t *out) noexcept nogil:
    """`recorded`: slots with that id, `used`: those of them that are not free."""
    cdef mem_cgroup *memcg = &m.memcgs[i]
    if m.control.memcg_version == 1:
        if memcg.memsw != memcg.memory + used:
            tell(out, b"memcg %lu: memsw is %ld, memory %ld, %ld used slots have its id", i, <uint64_t>memcg.memsw,
                 <uint64_t>memcg.memory, <uint64_t>used)
    elif memcg.swap != recorded:
        tell(out, b"memcg %lu: swap is %ld, %ld slots have its id", i, <uint64_t>memcg.swap, <uint64_t>recorded, 0)
    if memcg.nr_swap != recorded or memcg.id_refs != recorded + 1:
        tell(out, b"memcg %lu: MEMCG_SWAP is %ld, its id has %ld references, %ld slots have its id", i,
             <uint64_t>memcg.nr_swap, <uint64_t>memcg.id_refs, <uint64_t>recorded)


cdef class SwapCharge(Law):
    """The swap charge of a memcg, its MEMCG_SWAP and the references of its id follow from the slots with its id."""

    def __cinit__(self):
        self.id = "Q12"
        self.points = ("Q",)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef int64_t *recorded = <int64_t *>calloc(2 * (m.geo.memcgs + 1), sizeof(int64_t))
        cdef int64_t *used = recorded + m.geo.memcgs + 1
        cdef uint64_t i, memcg
        if recorded == NULL:
            tell(out, b"not looked at: no memory for %lu counts", m.geo.memcgs, 0, 0, 0)
            return
        for i in range(m.geo.slots * m.geo.devices):
            memcg = m.swap_cgroup[i]
            if 0 < memcg <= m.geo.memcgs:
                recorded[memcg] += 1
                used[memcg] += m.swap_map[i] != 0
        for i in range(m.geo.memcgs + 1):
            look(m, i, recorded[i], used[i], out)
        free(recorded)
