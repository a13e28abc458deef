"""One word of a swap table: what the swap cache knows of a slot (kernel: mm/swap_table.h, 6.18 to 7.1).

     63   60 59                                            0
    +-------+----------------------------------------------+
    |   0   | 0                                            |   NULL: free; up to 7.0 also swapped out without a shadow
    | COUNT | shadow value                               1 |   Shadow: swapped out; what workingset left behind
    | COUNT | PFN                                       10 |   PFN: in the swap cache, that folio (of any order: its head)
    | 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1000 |   Bad: never to be used (the header of the device)
    +-------+----------------------------------------------+

COUNT is 0 up to 7.0, where swap_map counts. From 7.1 it is the number of references: 1 to 14, and 15 says that the number
stands in the cluster's extend table.
"""
from libc.stdint cimport uint32_t, uint64_t
from shm.atomic cimport load64, table_store64

cdef enum:
    SWP_TB_NULL = 0
    SWP_TB_COUNT_SHIFT = 60
    SWP_TB_COUNT_MAX = 15  # the overflow marker

cdef inline uint64_t swp_tb_bad() noexcept nogil:
    return <uint64_t>0xFFFFFFFFFFFFFFF8

cdef inline uint64_t swp_tb_count_bits(uint64_t word) noexcept nogil:
    """The COUNT bits where they stand. Not of a bad word."""
    return word & (<uint64_t>SWP_TB_COUNT_MAX << SWP_TB_COUNT_SHIFT)

# cast in
cdef inline uint64_t pfn_to_swp_tb(uint32_t pfn, uint64_t count_bits) noexcept nogil:
    return count_bits | (<uint64_t>pfn << 2) | 2

cdef inline uint64_t shadow_to_swp_tb(uint64_t shadow, uint64_t count_bits) noexcept nogil:
    """Without a shadow a counted slot keeps a placeholder, and an uncounted one nothing."""
    if shadow or count_bits:
        return count_bits | ((shadow << 5) >> 4) | 1
    return SWP_TB_NULL

cdef inline uint64_t swp_tb_with_count(uint64_t word, uint32_t count) noexcept nogil:
    return (word ^ swp_tb_count_bits(word)) | (<uint64_t>count << SWP_TB_COUNT_SHIFT)

# test
cdef inline bint swp_tb_is_folio(uint64_t word) noexcept nogil:
    return (word & 3) == 2

cdef inline bint swp_tb_is_shadow(uint64_t word) noexcept nogil:
    return (word & 1) == 1

# cast out
cdef inline uint32_t swp_tb_to_pfn(uint64_t word) noexcept nogil:
    return <uint32_t>(word >> 2)

cdef inline uint64_t swp_tb_to_shadow(uint64_t word) noexcept nogil:
    return (word ^ swp_tb_count_bits(word)) >> 1

cdef inline uint32_t swp_tb_to_count(uint64_t word) noexcept nogil:
    """1 to 14, or SWP_TB_COUNT_MAX; 0 for a bad word."""
    return 0 if word == swp_tb_bad() else <uint32_t>(word >> SWP_TB_COUNT_SHIFT)

# access: set under the lock of the cluster (of the address_space up to 6.17), get without
cdef inline uint64_t swap_table_get(uint64_t *table, uint32_t off) noexcept nogil:
    return load64(&table[off])

cdef inline void swap_table_set(uint64_t *table, uint32_t off, uint64_t word) noexcept nogil:
    table_store64(&table[off], word)
