"""Q5. Three ways to count the swap cache."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from shm.folio cimport PG_SWAPCACHE
from shm.layout cimport cluster_of, layout_t, percpu_of
from shm.swap_table cimport swp_tb_is_folio
from shm.vmstat cimport NR_SWAPCACHE
from workers.invariants.law cimport Law, finding_t, nr_pages, tell, words_of


cdef int64_t cached_words(layout_t *m) noexcept nogil:
    cdef uint32_t device
    cdef uint64_t i, off
    cdef uint64_t *words
    cdef int64_t cached = 0
    for device in range(<uint32_t>m.geo.devices):
        for i in range(m.clusters_per_device):
            words = words_of(m, cluster_of(m, device, i))
            if words != NULL:
                for off in range(m.geo.cluster_slots):
                    cached += swp_tb_is_folio(words[off])
    return cached


cdef class CachedPages(Law):
    """The pages of folios with PG_swapcache, NR_SWAPCACHE and the table words that name a folio are equally many."""

    def __cinit__(self):
        self.id = "Q5"
        self.points = ("Q",)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef int64_t flagged = 0, counted = 0, words = cached_words(m)
        cdef uint64_t i
        for i in range(1, m.geo.folios):
            flagged += nr_pages(m, &m.folios[i]) if m.folios[i].flags & PG_SWAPCACHE else 0
        for i in range(m.geo.cpus):
            counted += percpu_of(m, <uint32_t>i).gauges[NR_SWAPCACHE]
        if flagged != counted or flagged != words:
            tell(out, b"%ld pages have PG_swapcache, NR_SWAPCACHE is %ld, %ld table words name a folio",
                 <uint64_t>flagged, <uint64_t>counted, <uint64_t>words, 0)
