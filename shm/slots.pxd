"""What a slot's words say, whichever format they have: how many references, free or not, in the cache or not.

| slot format     | references        | claimed           | free                              |
| --------------- | ----------------- | ----------------- | --------------------------------- |
| SLOTS_MAP_CACHE | byte, digits      | SWAP_HAS_CACHE    | byte 0                            |
| SLOTS_MAP       | byte, digits      | folio in the word | byte 0 and no folio in the word   |
| SLOTS_TABLE     | word, extend table| folio in the word | word NULL                         |

A look: exact under the cluster lock (and, of a count with digits, under cont_lock), else to be verified. `slot` is the
index in the arrays over all devices.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from shm.atomic cimport load32, load64, load8
from shm.cluster cimport swap_cluster_info
from shm.layout cimport (
    cluster_at, cluster_of, cont_page_of, device_of, ext_table_of, layout_t, offset_of, place_in_cluster, table_of,
)
from shm.swap_map cimport (
    COUNT_CONTINUED, MAP_PAGE_SLOTS, SLOTS_MAP_CACHE, SLOTS_TABLE, SWAP_CONT_MAX, SWAP_HAS_CACHE, SWAP_MAP_BAD,
)
from shm.swap_table cimport (
    SWP_TB_COUNT_MAX, SWP_TB_NULL, swp_tb_bad, swp_tb_is_folio, swp_tb_to_count,
)

cdef inline uint8_t slot_byte(layout_t *m, uint64_t slot) noexcept nogil:
    """The byte of swap_map; 0 where there is no map."""
    return load8(&m.swap_map[slot]) if m.geo.slot_format != SLOTS_TABLE else 0

cdef inline bint slot_is_zero(layout_t *m, uint64_t slot) noexcept nogil:
    """Whether the zero-filled map says that the slot's page is all zeroes."""
    return m.geo.zeromap != 0 and load32(&m.zeromap[slot >> 5]) >> (slot & 31) & 1

cdef inline uint32_t slot_in_zswap(layout_t *m, uint64_t slot) noexcept nogil:
    """The entry that zswap keeps for the slot; 0: none."""
    return load32(&m.zswap_tree[slot]) if m.geo.zswap_pages else 0

cdef inline uint64_t slot_word(layout_t *m, uint64_t slot) noexcept nogil:
    """The table word; NULL where the cluster has no table."""
    cdef uint64_t offset = offset_of(m, slot)
    cdef uint32_t table = load32(&cluster_of(m, device_of(m, slot), cluster_at(m, offset)).table)
    if table == 0 or table > m.geo.tables:
        return SWP_TB_NULL
    return load64(&table_of(m, table)[place_in_cluster(m, offset)])

cdef inline bint slot_is_bad(layout_t *m, uint64_t slot) noexcept nogil:
    """The header of the device: never to be used."""
    return offset_of(m, slot) == 0

cdef inline uint64_t cont_count(layout_t *m, uint64_t slot) noexcept nogil:
    """What the digits of a slot in the continuation pages add to its low count."""
    cdef uint64_t offset = offset_of(m, slot), unit = SWAP_MAP_BAD, total = 0
    cdef uint32_t page = 0 if m.geo.cont_pages == 0 else m.cont_heads[device_of(m, slot) * m.map_pages_per_device + offset // MAP_PAGE_SLOTS]
    cdef uint8_t digit
    cdef uint64_t walked = 0
    while 0 < page <= m.geo.cont_pages and walked < m.geo.cont_pages:
        walked += 1
        digit = load8(&cont_page_of(m, page)[offset % m.cont_page_slots])
        total += (digit & SWAP_CONT_MAX) * unit
        if not digit & COUNT_CONTINUED:
            break
        unit *= SWAP_CONT_MAX + 1
        page = m.cont_next[page]
    return total

cdef inline uint64_t ext_count(layout_t *m, uint64_t slot) noexcept nogil:
    """What a slot's extend table holds; 0 where its cluster has none."""
    cdef uint64_t offset = offset_of(m, slot)
    cdef uint32_t ext = load32(&cluster_of(m, device_of(m, slot), cluster_at(m, offset)).ext)
    return ext_table_of(m, ext)[place_in_cluster(m, offset)] if 0 < ext <= m.geo.ext_tables else 0

cdef inline uint64_t slot_count(layout_t *m, uint64_t slot) noexcept nogil:
    """The exact number of references; 0 for a bad slot."""
    cdef uint32_t count
    cdef uint8_t byte
    if slot_is_bad(m, slot):
        return 0
    if m.geo.slot_format == SLOTS_TABLE:
        count = swp_tb_to_count(slot_word(m, slot))
        return ext_count(m, slot) if count == SWP_TB_COUNT_MAX else count
    byte = load8(&m.swap_map[slot])
    count = byte & SWAP_MAP_BAD
    if not byte & COUNT_CONTINUED:
        return count
    return 1 if count == SWAP_MAP_BAD else count + cont_count(m, slot)  # SWAP_MAP_SHMEM: one file

cdef inline bint slot_has_references(layout_t *m, uint64_t slot) noexcept nogil:
    """Whether the count is not 0: without a walk over digits."""
    if slot_is_bad(m, slot):
        return False
    if m.geo.slot_format == SLOTS_TABLE:
        return swp_tb_to_count(slot_word(m, slot)) != 0
    return (load8(&m.swap_map[slot]) & ~SWAP_HAS_CACHE) != 0

cdef inline bint slot_is_free(layout_t *m, uint64_t slot) noexcept nogil:
    """Neither referred to, nor claimed, nor cached, nor bad."""
    if slot_is_bad(m, slot):
        return False
    if m.geo.slot_format == SLOTS_TABLE:
        return slot_word(m, slot) == SWP_TB_NULL
    if load8(&m.swap_map[slot]) != 0:
        return False
    return m.geo.slot_format == SLOTS_MAP_CACHE or not swp_tb_is_folio(slot_word(m, slot))

cdef inline bint slot_is_free_at(layout_t *m, uint64_t slot, uint64_t *word) noexcept nogil:
    """slot_is_free of a slot that is not bad and whose word lies at `word`; NULL: its cluster has no table."""
    if m.geo.slot_format == SLOTS_TABLE:
        return word == NULL or load64(word) == SWP_TB_NULL
    if load8(&m.swap_map[slot]) != 0:
        return False
    return m.geo.slot_format == SLOTS_MAP_CACHE or word == NULL or not swp_tb_is_folio(load64(word))

cdef inline bint slot_only_has_cache(layout_t *m, uint64_t slot) noexcept nogil:
    """Pinned by the cache (by a claim, up to 6.19) and by nothing else."""
    if m.geo.slot_format == SLOTS_MAP_CACHE:
        return load8(&m.swap_map[slot]) == SWAP_HAS_CACHE
    return swp_tb_is_folio(slot_word(m, slot)) and not slot_has_references(m, slot)
