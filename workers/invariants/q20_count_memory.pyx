"""Q20. The memory of large counts is shared by many slots and has no owner of its own: what no list leads to is lost."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from shm.layout cimport layout_t
from workers.invariants.law cimport Law, finding_t, tell


cdef void follow(uint32_t page, const uint32_t *after, uint8_t *times, uint64_t nr) noexcept nogil:
    """Count what a list leads to; ends where it comes round, or leads nowhere."""
    while 0 < page <= nr and times[page] < 2:
        times[page] += 1
        page = after[page]


cdef class CountMemory(Law):
    """Every continuation page hangs on one page of the swap_map or is free; every extend table is one cluster's or free."""

    def __cinit__(self):
        self.id = "Q20"
        self.points = ("Q",)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef uint64_t i, largest = m.geo.cont_pages if m.geo.cont_pages > m.geo.ext_tables else m.geo.ext_tables
        cdef uint8_t *times
        if largest == 0:
            return
        times = <uint8_t *>calloc(2 * (largest + 1), 1)
        if times == NULL:
            tell(out, b"not looked at: no memory for %lu counts", largest, 0, 0, 0)
            return
        if m.geo.cont_pages:
            follow(<uint32_t>m.cont_head[0], m.cont_next, times, m.geo.cont_pages)
            for i in range(m.geo.devices * m.map_pages_per_device):
                follow(m.cont_heads[i], m.cont_next, times, m.geo.cont_pages)
        for i in range(1, m.geo.cont_pages + 1):
            if times[i] != 1:
                tell(out, b"continuation page %lu: %lu lists lead to it", i, times[i], 0, 0)
        times += largest + 1
        if m.geo.ext_tables:
            follow(<uint32_t>m.ext_head[0], m.ext_next, times, m.geo.ext_tables)
            for i in range(m.geo.devices * m.clusters_per_device):
                if 0 < m.clusters[i].ext <= m.geo.ext_tables:
                    times[m.clusters[i].ext] += times[m.clusters[i].ext] < 2
        for i in range(1, m.geo.ext_tables + 1):
            if times[i] != 1:
                tell(out, b"extend table %lu: %lu clusters have it or it is free as often", i, times[i], 0, 0)
        free(times - largest - 1)
