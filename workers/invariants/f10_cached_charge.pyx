"""F10. Who pays for a swapped-in page is who paid for its slot: a charge that goes by an id which somebody else's slot had
is a page that one cgroup uses and another one pays for, until it is freed."""
from libc.stdint cimport uint64_t

from shm.folio cimport PG_SWAPCACHE, folio_t
from shm.layout cimport layout_t
from shm.memcg cimport CSS_ONLINE
from workers.invariants.law cimport ON_SYNCHRONOUS, Law, entry_exists, finding_t, nr_pages, parent_of, slot_of, tell

from workers.invariants.law import ALL

CHARGED_FIRST = "museum 28: a folio is charged before it is in the swap cache, and until then nothing pins its slot"
BYPASS_FIRST = "museum 28, synchronous devices: a fault charges before it inserts"
BROKEN = {
    "unsynchronized": CHARGED_FIRST,
    "swap_cache_as_posted": BYPASS_FIRST,
    "swap_cache": BYPASS_FIRST,
    "swap_table": BYPASS_FIRST,
    "swap_table_count": CHARGED_FIRST,
}


cdef bint is_below(layout_t *m, uint64_t memcg, uint64_t root) noexcept nogil:
    while memcg != root and memcg != 0:
        memcg = parent_of(m, memcg)
    return memcg == root


cdef class CachedCharge(Law):
    """cgroup v2: a folio in the swap cache is charged to the memcg whose id its slot has, or to one below that, while it
    is online."""

    def __cinit__(self):
        self.id = "F10"
        self.points = ("F",)
        self.known_broken = {name: why for name, why in BROKEN.items() if name in ALL}
        self.unless = {name: ON_SYNCHRONOUS for name, why in self.known_broken.items() if why == BYPASS_FIRST}
        self.protocols = tuple(name for name in ALL if BROKEN.get(name) != CHARGED_FIRST)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef uint64_t i, id, page
        cdef folio_t *folio
        if m.control.memcg_version != 2:
            return
        for i in range(1, m.geo.folios):
            folio = &m.folios[i]
            if folio.refcount <= 0 or not folio.flags & PG_SWAPCACHE or not entry_exists(m, folio.swap):
                continue
            for page in range(nr_pages(m, folio)):
                if not entry_exists(m, folio.swap + page):
                    break
                id = m.swap_cgroup[slot_of(m, folio.swap + page)]
                if 0 < id <= m.geo.memcgs and m.memcgs[id].css & CSS_ONLINE and folio.memcg <= m.geo.memcgs and (
                        not is_below(m, folio.memcg, id)):
                    tell(out, b"folio %lu caches entry 0x%lx, whose id is %lu, and is charged to memcg %lu", i,
                         folio.swap + page, id, folio.memcg)
