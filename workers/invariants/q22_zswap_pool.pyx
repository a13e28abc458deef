"""Q22. The pool of zswap is small, and what falls out of it is never found again: entries are somebody's, or free."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from shm.layout cimport layout_t
from shm.zswap cimport zswap_entry
from workers.invariants.law cimport Law, finding_t, give_back, scratch_t, tell, zeroed

cdef enum:  # where an entry was met
    IN_TREE = 1
    ON_LIST = 2
    IS_FREE = 4


cdef void walk_lists(layout_t *m, uint8_t *met, finding_t *out) noexcept nogil:
    """Mark what lies on the lists of the memcgs, and look whether it is there by right."""
    cdef uint64_t memcg, walked
    cdef uint32_t index
    cdef zswap_entry *e
    for memcg in range(m.geo.memcgs + 1):
        index = m.zswap_lrus[memcg].list.tail
        walked = 0
        while 0 < index <= m.geo.zswap_pages and walked <= m.geo.zswap_pages:
            e = &m.zswap_entries[index]
            if met[index] & ON_LIST:
                tell(out, b"entry %lu lies on two lists, or twice on one", index, 0, 0, 0)
                break
            met[index] |= ON_LIST
            if e.memcg != memcg:
                tell(out, b"entry %lu of memcg %lu lies on the list of memcg %lu", index, e.memcg, memcg, 0)
            if e.swpentry == 0:
                tell(out, b"entry %lu lies on a list, and is no slot's", index, 0, 0, 0)
            index = e.lru_prev
            walked += 1
        if walked != m.zswap_lrus[memcg].list.nr:
            tell(out, b"the list of memcg %lu has %lu entries, its length is %lu", memcg, walked,
                 m.zswap_lrus[memcg].list.nr, 0)


cdef void walk_tree(layout_t *m, uint8_t *met, finding_t *out) noexcept nogil:
    """Mark what is kept for a slot."""
    cdef uint64_t slot
    cdef uint32_t index
    for slot in range(m.geo.devices * m.geo.slots):
        index = m.zswap_tree[slot]
        if index == 0:
            continue
        if index > m.geo.zswap_pages or met[index] & IN_TREE:
            tell(out, b"device %lu slot %lu has entry %lu, which is none, or another one's", slot // m.geo.slots,
                 slot % m.geo.slots, index, 0)
            continue
        met[index] |= IN_TREE


cdef void walk_free(layout_t *m, uint8_t *met, finding_t *out) noexcept nogil:
    """Mark what lies on the stack of free entries."""
    cdef uint32_t index = <uint32_t>m.zswap.free_entries  # the tag against ABA stands above it
    while 0 < index <= m.geo.zswap_pages:
        if met[index] & IS_FREE:
            tell(out, b"entry %lu lies twice on the stack of free ones", index, 0, 0, 0)
            return
        met[index] |= IS_FREE
        index = m.zswap_next[index]


cdef class ZswapPool(Law):
    """Every entry of zswap is free, or is kept for one slot and lies on the list of its memcg; stored_pages counts those
    that are kept."""

    def __cinit__(self):
        self.id = "Q22"
        self.points = ("Q",)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef scratch_t marks
        cdef uint8_t *met
        cdef uint64_t i
        cdef int64_t stored = 0
        if m.geo.zswap_pages == 0:
            return
        met = <uint8_t *>zeroed(&marks, m.geo.zswap_pages + 1)
        if met == NULL:
            tell(out, b"not looked at: no memory for %lu marks", m.geo.zswap_pages, 0, 0, 0)
            return
        walk_tree(m, met, out)
        walk_lists(m, met, out)
        walk_free(m, met, out)
        for i in range(1, m.geo.zswap_pages + 1):
            stored += met[i] & IN_TREE != 0
            if met[i] != IS_FREE and met[i] != IN_TREE | ON_LIST:
                tell(out, b"entry %lu: in the tree %lu, on a list %lu, free %lu", i, met[i] & IN_TREE, met[i] // ON_LIST & 1,
                     met[i] // IS_FREE)
        if stored != m.zswap.stored_pages:
            tell(out, b"%lu entries are kept for slots, stored_pages is %ld", <uint64_t>stored,
                 <uint64_t>m.zswap.stored_pages, 0, 0)
        give_back(&marks)
