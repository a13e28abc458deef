"""inode_t: a file of tmpfs (kernel: struct shmem_inode_info), and the words of its mapping (mapping->i_pages).

    word   63    59 58   55 54                1   0
          +----------------------------------+---+
          |  0: a hole                           |
          |  PFN                             | 0 |    a folio of the page cache: its first page, in each of its words
          |  type  | order |  offset         | 1 |    an XA_VALUE: swapped out, or poisoned
          +--------+-------+-----------------+---+

An entry of order n is 2^n aligned words (kernel: one multi-index entry), each with its own slot, all with the order; the
slots are aligned and in a row. Two words are the same entry whatever their order is, as xa_cmpxchg compares them.
`shmem_expected` holds what was written to each page last: the oracle of every read.
"""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from shm.lock cimport lock_t
from shm.swp_entry cimport swp_entry, swp_entry_t, swp_type

cdef enum:
    MAPPING_NONE = 0xFFFFFFFF  # folio->mapping: of a file, and in no page cache: on its way in or out, or truncated
    SWP_TYPE_MARKER = 31  # no device: a page whose read from swap has failed
    MARKER_POISONED = 2
    RADIX_ORDER_SHIFT = 55
    RADIX_ORDER_BITS = 15

cdef struct inode_t:
    lock_t i_pages
    # i_pages must be held:
    uint32_t nrpages  # pages of folios in the mapping
    # atomic:
    int32_t swapped  # swap entries in the mapping
    # swaplist_lock must be held:
    uint32_t on_swaplist
    uint32_t pad0
    uint64_t pad[6]

cdef inline uint64_t folio_to_word(uint32_t pfn) noexcept nogil:
    return <uint64_t>pfn << 1

cdef inline bint word_is_folio(uint64_t word) noexcept nogil:
    return word != 0 and not word & 1

cdef inline uint32_t word_to_pfn(uint64_t word) noexcept nogil:
    return <uint32_t>(word >> 1)

cdef inline uint64_t swp_to_radix_entry(swp_entry_t entry) noexcept nogil:
    return entry << 1 | 1

cdef inline swp_entry_t radix_to_swp_entry(uint64_t word) noexcept nogil:
    return radix_value(word) >> 1

cdef inline uint32_t radix_order(uint64_t word) noexcept nogil:
    """Of a swap entry: it is 2^order words."""
    return <uint32_t>(word >> RADIX_ORDER_SHIFT) & RADIX_ORDER_BITS

cdef inline uint64_t radix_value(uint64_t word) noexcept nogil:
    """What the word says without its order."""
    return word & ~(<uint64_t>RADIX_ORDER_BITS << RADIX_ORDER_SHIFT)

cdef inline uint64_t radix_with_order(uint64_t word, uint32_t order) noexcept nogil:
    """A swap entry of order 0 as one of 2^order words."""
    return word | <uint64_t>order << RADIX_ORDER_SHIFT

cdef inline uint64_t nth_entry(uint64_t word, uint32_t i) noexcept nogil:
    """The word of the `i`th page after one that lies in a slot, when it lies that much further on; of a hole a hole."""
    return word + (<uint64_t>i << 1) if word else 0

cdef inline uint64_t poisoned_word() noexcept nogil:
    """What stands where a page was lost."""
    return swp_to_radix_entry(swp_entry(SWP_TYPE_MARKER, MARKER_POISONED))

cdef inline bint word_is_swap(uint64_t word) noexcept nogil:
    """Whether the page lies in a slot."""
    return (word & 1) != 0 and swp_type(radix_to_swp_entry(word)) != SWP_TYPE_MARKER

cdef inline uint64_t shmem_identity(uint32_t inode, uint32_t page) noexcept nogil:
    """Word 0 of the content of a page of a file; the identity of an anonymous page has its top bit clear."""
    return <uint64_t>1 << 63 | <uint64_t>inode << 32 | page
