"""Q6. memory.stat's swapcached is what an owner of a cgroup sees of its pages that lie in memory and in swap at once. A
version that counts a folio in before it is charged, or out after its charge is gone, drifts from the truth for ever."""
from libc.stdint cimport int64_t, uint8_t, uint64_t

from shm.folio cimport PG_SWAPCACHE, folio_t
from shm.layout cimport layout_t
from workers.invariants.law cimport ON_V1, Law, finding_t, free_folios, give_back, nr_pages, scratch_t, tell, zeroed

from workers.invariants.law import ALL

INSERTS_FIRST = "museum 27: a readahead puts the folio in the swap cache before it is charged"
CHARGE_GONE = "museum 38, cgroup v1: memcg1_swapout takes the charge away before the folio leaves the swap cache"
BROKEN = {
    "unsynchronized": f"{INSERTS_FIRST}; {CHARGE_GONE}",
    "swap_cache_as_posted": INSERTS_FIRST,
    "swap_cache": f"{INSERTS_FIRST}; {CHARGE_GONE}",
    "swap_table": f"{INSERTS_FIRST}; {CHARGE_GONE}",
    "swap_table_count": CHARGE_GONE,
}


cdef void look(layout_t *m, int64_t *cached, uint8_t *times_free, finding_t *out) noexcept nogil:
    cdef uint64_t i
    cdef folio_t *folio
    for i in range(1, m.geo.folios):
        folio = &m.folios[i]
        if times_free[i] == 0 and folio.head == i and folio.flags & PG_SWAPCACHE and 0 < folio.memcg <= m.geo.memcgs:
            cached[folio.memcg] += <int64_t>nr_pages(m, folio)
    for i in range(1, m.geo.memcgs + 1):
        if cached[i] != m.memcgs[i].swapcached:
            tell(out, b"memcg %lu: swapcached is %ld, %ld pages charged to it are in the swap cache", i,
                 <uint64_t>m.memcgs[i].swapcached, <uint64_t>cached[i], 0)


cdef class Swapcached(Law):
    """A memcg's swapcached statistic is the number of pages charged to it that are in the swap cache."""

    def __cinit__(self):
        self.id = "Q6"
        self.points = ("Q",)
        self.known_broken = {name: why for name, why in BROKEN.items() if name in ALL}
        self.unless = {name: ON_V1 for name, why in self.known_broken.items() if why == CHARGE_GONE}
        self.protocols = tuple(name for name in ALL if name not in BROKEN or name in self.unless)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef scratch_t sums, stacks
        cdef int64_t *cached = <int64_t *>zeroed(&sums, (m.geo.memcgs + 1) * sizeof(int64_t))
        cdef uint8_t *times_free = free_folios(m, &stacks)
        if cached == NULL or times_free == NULL:
            tell(out, b"not looked at: no memory for %lu counts", m.geo.folios, 0, 0, 0)
        else:
            look(m, cached, times_free, out)
        give_back(&sums)
        give_back(&stacks)
