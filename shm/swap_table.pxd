"""One word of a swap table: what the swap cache knows of a slot (kernel: mm/swap_table.h, 6.18 to 7.1).

    NULL     |----------------------- 0 -----------------------|   free, or swapped out without a shadow
    Shadow   |---------------- shadow value ---------------|-1-|   swapped out; what workingset left behind
    PFN      |-------------------- PFN -----------------|--10--|   in the swap cache: that folio
    Bad      |----------------- all ones -------------|--1000--|   never to be used (the header of the device)
"""
from libc.stdint cimport uint32_t, uint64_t
from shm.atomic cimport load64, table_store64

cdef enum:
    SWP_TB_NULL = 0

cdef inline uint64_t swp_tb_bad() noexcept nogil:
    return <uint64_t>0xFFFFFFFFFFFFFFF8

# cast in
cdef inline uint64_t pfn_to_swp_tb(uint32_t pfn) noexcept nogil:
    return (<uint64_t>pfn << 2) | 2

cdef inline uint64_t shadow_to_swp_tb(uint64_t shadow) noexcept nogil:
    return (shadow << 1) | 1 if shadow else 0

# test
cdef inline bint swp_tb_is_folio(uint64_t word) noexcept nogil:
    return (word & 3) == 2

cdef inline bint swp_tb_is_shadow(uint64_t word) noexcept nogil:
    return (word & 1) == 1

# cast out
cdef inline uint32_t swp_tb_to_pfn(uint64_t word) noexcept nogil:
    return <uint32_t>(word >> 2)

cdef inline uint64_t swp_tb_to_shadow(uint64_t word) noexcept nogil:
    return word >> 1

# access: set under the lock of the cluster (of the address_space up to 6.17), get without
cdef inline uint64_t swap_table_get(uint64_t *table, uint32_t off) noexcept nogil:
    return load64(&table[off])

cdef inline void swap_table_set(uint64_t *table, uint32_t off, uint64_t word) noexcept nogil:
    table_store64(&table[off], word)
