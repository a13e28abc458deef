"""inode_t: a file of tmpfs (kernel: struct shmem_inode_info), and the words of its mapping (mapping->i_pages).

    word   63                                 1   0
          +--------------------------------------+
          |  0: a hole                           |
          | PFN                              | 0 |    a folio of the page cache
          | swp_entry_t                      | 1 |    an XA_VALUE: swapped out, or poisoned
          +--------------------------------------+

`shmem_expected` holds what was written to each page last: the oracle of every read.
"""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from shm.lock cimport lock_t
from shm.swp_entry cimport swp_entry, swp_entry_t, swp_type

cdef enum:
    MAPPING_NONE = 0xFFFFFFFF  # folio->mapping: of a file, and in no page cache: on its way in or out, or truncated
    SWP_TYPE_MARKER = 31  # no device: a page whose read from swap has failed
    MARKER_POISONED = 2

cdef struct inode_t:
    lock_t i_pages
    # i_pages must be held:
    uint32_t nrpages  # folios in the mapping
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
    return word >> 1

cdef inline uint64_t poisoned_word() noexcept nogil:
    """What stands where a page was lost."""
    return swp_to_radix_entry(swp_entry(SWP_TYPE_MARKER, MARKER_POISONED))

cdef inline bint word_is_swap(uint64_t word) noexcept nogil:
    """Whether the page lies in a slot."""
    return (word & 1) != 0 and swp_type(radix_to_swp_entry(word)) != SWP_TYPE_MARKER

cdef inline uint64_t shmem_identity(uint32_t inode, uint32_t page) noexcept nogil:
    """Word 0 of the content of a page of a file; the identity of an anonymous page has its top bit clear."""
    return <uint64_t>1 << 63 | <uint64_t>inode << 32 | page
