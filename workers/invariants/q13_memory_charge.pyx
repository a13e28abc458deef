"""Q13. What a memcg is charged for memory is what the folios say, those in the swap cache included."""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free

from shm.layout cimport layout_t
from workers.invariants.law cimport Law, finding_t, free_folios, tell


cdef class MemoryCharge(Law):
    """A memcg's memory counter is the number of folios charged to it that are not free."""

    def __cinit__(self):
        self.id = "Q13"
        self.points = ("Q",)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef int64_t *charged = <int64_t *>calloc(m.geo.memcgs + 1, sizeof(int64_t))
        cdef uint8_t *times_free = free_folios(m)
        cdef uint64_t i
        if charged == NULL or times_free == NULL:
            tell(out, b"not looked at: no memory for %lu counts", m.geo.folios, 0, 0, 0)
        else:
            for i in range(1, m.geo.folios):
                if times_free[i] == 0 and 0 < m.folios[i].memcg <= m.geo.memcgs:
                    charged[m.folios[i].memcg] += 1
            for i in range(1, m.geo.memcgs + 1):
                if charged[i] != m.memcgs[i].memory:
                    tell(out, b"memcg %lu: memory is %ld, %ld folios are charged to it", i,
                         <uint64_t>m.memcgs[i].memory, <uint64_t>charged[i], 0)
        free(charged)
        free(times_free)
