"""What is plainly sound at one glance, so that most laws need not be asked: a law that says of itself that it is `plain`
holds of every cluster, or folio, that is. All that such a law would look at is looked at here, in one pass; where the
glance finds anything out of the ordinary, legal or not, each law is asked."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from shm.cluster cimport swap_cluster_info
from shm.folio cimport PG_DIRTY, PG_SWAPCACHE, PG_WRITEBACK, folio_t
from shm.layout cimport cluster_of, layout_t
from shm.swap_map cimport COUNT_CONTINUED, SLOTS_MAP_CACHE, SLOTS_TABLE, SWAP_HAS_CACHE, SWAP_MAP_BAD
from shm.swap_table cimport SWP_TB_NULL, swp_tb_bad, swp_tb_is_folio, swp_tb_is_shadow
from shm.swapfile cimport SWP_SYNCHRONOUS_IO
from shm.swp_entry cimport swp_entry
from workers.invariants.law cimport bad_slots, cached_at, first_of, first_slot, last_of, words_of

cdef inline bint is_own_folio(layout_t *m, uint64_t word, uint32_t device, uint64_t offset) noexcept nogil:
    cdef folio_t *folio = cached_at(m, word)
    return folio != NULL and folio.order == 0 and folio.swap == swp_entry(device, offset)

cdef inline bint is_plain_cluster(layout_t *m, uint32_t device, uint64_t cluster) noexcept nogil:
    """Its slots are free and empty, or counted without digits, or cached by their own folio of one page that the bit goes with where
    there is one; its count is theirs. Of the slot formats with a swap_map alone."""
    cdef swap_cluster_info *ci = cluster_of(m, device, cluster)
    cdef uint64_t first = first_of(m, cluster), i, word, used = bad_slots(m, cluster)
    cdef uint64_t *words = words_of(m, ci)
    cdef uint8_t *bytes = &m.swap_map[first_slot(m, device) + first]
    cdef uint32_t *handles = &m.handles[first_slot(m, device) + first]
    cdef bint has_bit = m.geo.slot_format == SLOTS_MAP_CACHE, drops = (m.si[device].flags & SWP_SYNCHRONOUS_IO) != 0
    cdef uint8_t foreign = COUNT_CONTINUED if has_bit else COUNT_CONTINUED | SWAP_HAS_CACHE
    if m.geo.slot_format == SLOTS_TABLE or last_of(m, cluster) - first != m.geo.cluster_slots:
        return False
    if cluster == 0 and (bytes[0] != SWAP_MAP_BAD or words == NULL or words[0] != swp_tb_bad()):
        return False
    for i in range(1 if cluster == 0 else 0, m.geo.cluster_slots):
        word = words[i] if words != NULL else SWP_TB_NULL
        if bytes[i] & foreign or bytes[i] & SWAP_MAP_BAD == SWAP_MAP_BAD:
            return False
        if swp_tb_is_folio(word):
            if (has_bit and not bytes[i] & SWAP_HAS_CACHE) or not is_own_folio(m, word, device, first + i):
                return False
            used += 1
        elif bytes[i]:
            if bytes[i] & SWAP_HAS_CACHE or (word != SWP_TB_NULL and not swp_tb_is_shadow(word)):
                return False
            used += 1
        elif word != SWP_TB_NULL or (handles[i] and drops):
            return False
    return ci.count == used

cdef inline bint is_plain_folio(const folio_t *folio) noexcept nogil:
    """It is not in the swap cache and knows of no slot, or nobody has it and nothing is left of it."""
    if folio.flags & (PG_SWAPCACHE | PG_WRITEBACK):
        return False
    if folio.refcount == 0:
        return not folio.flags & PG_DIRTY and folio.mapcount == 0
    return folio.swap == 0
