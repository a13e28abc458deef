"""Q13. What a memcg is charged for memory is what the folios say, those in the swap cache included, and those below it."""
from libc.stdint cimport int64_t, uint8_t, uint64_t

from shm.layout cimport layout_t
from shm.memcg cimport COUNTER_MEMORY
from workers.invariants.law cimport Law, finding_t, free_folios, give_back, nr_pages, parent_of, scratch_t, tell, zeroed


cdef void look(layout_t *m, int64_t *charged, uint8_t *times_free, finding_t *out) noexcept nogil:
    cdef uint64_t i, memcg
    for i in range(1, m.geo.folios):
        memcg = m.folios[i].memcg if times_free[i] == 0 and m.folios[i].head == i else 0
        while 0 < memcg <= m.geo.memcgs:
            charged[memcg] += <int64_t>nr_pages(m, &m.folios[i])
            memcg = parent_of(m, memcg)
    for i in range(1, m.geo.memcgs + 1):
        if charged[i] != m.memcgs[i].counters[COUNTER_MEMORY].usage:
            tell(out, b"memcg %lu: memory is %ld, %ld pages are charged to it and to those below it", i,
                 <uint64_t>m.memcgs[i].counters[COUNTER_MEMORY].usage, <uint64_t>charged[i], 0)


cdef class MemoryCharge(Law):
    """A memcg's memory counter is the number of pages charged to it, or to one below it, that are not free."""

    def __cinit__(self):
        self.id = "Q13"
        self.points = ("Q",)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef scratch_t sums, stacks
        cdef int64_t *charged = <int64_t *>zeroed(&sums, (m.geo.memcgs + 1) * sizeof(int64_t))
        cdef uint8_t *times_free = free_folios(m, &stacks)
        if charged == NULL or times_free == NULL:
            tell(out, b"not looked at: no memory for %lu counts", m.geo.folios, 0, 0, 0)
        else:
            look(m, charged, times_free, out)
        give_back(&sums)
        give_back(&stacks)
