"""mm: an address space with its page table; anon_vma: the mms that forked from one another.

    PTE    63                        9 8        4 3     2   1   0
          +---------------------------+----------+---+----+---+---+
          |  0: none                                              |
          | PFN                       |          | D | A  | W | 1 |    present: dirty, accessed, writable
          | offset                    |   type   |   | E  | 1 | 0 |    swap: E exclusive
          | PFN                       |   E W 1  | D | A  | 0 | 0 |    migration: its folio is being split; E exclusive
          |  0                        | P        | 0 | 0  | 0 | 0 |    poisoned: its slot could not be read when swapoff came
          +---------------------------+----------+---+----+---+---+

`expected` holds what the program that owns the memory last stored, page by page: the oracle of every load.

    expected 63  62  61                                     0
            +---+---+----------------------------------------+
            | F | M | stamp of the last store, 0: none       |
            +---+---+----------------------------------------+
             F: given up by MADV_FREE since: the page may as well be gone, and read as zeroes
             M: moved here from another address: its content keeps the identity that it was given there
"""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from shm.lock cimport lock_t
from shm.swp_entry cimport swp_entry, swp_entry_t, swp_offset, swp_type

cdef enum:
    PTES_PER_PTL = 512
    MM_WORDS = 16  # 1024 mms as bits

cdef enum:  # pte_bit
    PTE_PRESENT = 1
    PTE_WRITE = 2
    PTE_ACCESSED = 4
    PTE_DIRTY = 8
    PTE_SWAP = 2
    PTE_SWP_EXCLUSIVE = 4
    PTE_MIGRATION = 16
    PTE_MIGRATION_WRITE = 32
    PTE_MIGRATION_EXCLUSIVE = 64
    PTE_POISONED = 128

cdef enum:  # mm_state
    MM_UNUSED = 0
    MM_LIVE = 1
    MM_EXITING = 2
    MM_FORKING = 3

cdef enum:  # mmlist: where its links lead
    MMLIST_NONE = 0  # nowhere: the list that they are is empty
    MMLIST_ON = 1  # to the list that swapoff walks
    MMLIST_ASIDE = 2  # to mms that are not on that list; no sound protocol leads there

cdef struct mm_struct:
    # rw_semaphore: readers in the low bits, writer in the top bit; waiters sleep in a wait queue
    uint32_t mmap_lock
    uint32_t mmap_waiters
    int32_t mm_users
    uint32_t state  # mm_state
    uint32_t anon_vma
    uint32_t memcg
    uint32_t on_mmlist  # mmlist
    uint32_t unmapped  # mmap_lock must be held: pages that no VMA has
    # read and written without a lock, a guess only:
    uint64_t swap_readahead_info  # of all its VMAs: page << 12 | window << 6 | hits
    uint32_t pad[6]

cdef struct anon_vma_t:
    lock_t lock
    uint64_t members[MM_WORDS]  # anon_vma->lock must be held: mms that may map its pages

cdef inline bint anon_vma_has(anon_vma_t *av, uint32_t mm) noexcept nogil:
    """Whether the mm may map its pages. Context: anon_vma lock held."""
    return av.members[mm >> 6] >> (mm & 63) & 1

cdef enum:  # bits of expected
    EXPECT_FREED_SHIFT = 63
    EXPECT_MOVED_SHIFT = 62

cdef inline uint64_t expected_stamp(uint64_t expected) noexcept nogil:
    """The last store."""
    return expected & ((<uint64_t>1 << EXPECT_MOVED_SHIFT) - 1)

cdef inline bint expected_freed(uint64_t expected) noexcept nogil:
    return expected >> EXPECT_FREED_SHIFT != 0

cdef inline bint expected_moved(uint64_t expected) noexcept nogil:
    return (expected >> EXPECT_MOVED_SHIFT & 1) != 0

cdef inline uint64_t expect_freed(uint64_t expected) noexcept nogil:
    return expected | <uint64_t>1 << EXPECT_FREED_SHIFT

cdef inline uint64_t expect_moved(uint64_t expected) noexcept nogil:
    return expected | <uint64_t>1 << EXPECT_MOVED_SHIFT

cdef inline uint64_t mk_pte(uint32_t pfn, bint write) noexcept nogil:
    return (<uint64_t>pfn << 9) | PTE_PRESENT | PTE_ACCESSED | (PTE_WRITE if write else 0)

cdef inline bint pte_present(uint64_t pte) noexcept nogil:
    return (pte & PTE_PRESENT) != 0

cdef inline bint is_swap_pte(uint64_t pte) noexcept nogil:
    return (pte & (PTE_PRESENT | PTE_SWAP)) == PTE_SWAP

cdef inline bint is_migration_pte(uint64_t pte) noexcept nogil:
    return (pte & (PTE_PRESENT | PTE_SWAP | PTE_MIGRATION)) == PTE_MIGRATION

cdef inline bint is_poisoned_pte(uint64_t pte) noexcept nogil:
    """An access ends in VM_FAULT_SIGBUS (kernel: is_poisoned_swp_entry)."""
    return pte == PTE_POISONED

cdef inline uint64_t mk_migration_pte(uint64_t pte, bint exclusive) noexcept nogil:
    """What stands in a present entry's place while its folio is split; `pte_of_migration` brings the entry back."""
    return (pte & ~<uint64_t>0x1FF) | (pte & (PTE_ACCESSED | PTE_DIRTY)) | PTE_MIGRATION | (
        PTE_MIGRATION_WRITE if pte & PTE_WRITE else 0) | (PTE_MIGRATION_EXCLUSIVE if exclusive else 0)

cdef inline uint64_t pte_of_migration(uint64_t pte) noexcept nogil:
    return (pte & ~<uint64_t>0x1FF) | (pte & (PTE_ACCESSED | PTE_DIRTY)) | PTE_PRESENT | (
        PTE_WRITE if pte & PTE_MIGRATION_WRITE else 0)

cdef inline uint32_t pte_pfn(uint64_t pte) noexcept nogil:
    """Of a present entry, or of one under migration."""
    return <uint32_t>(pte >> 9)

cdef inline uint64_t swp_entry_to_pte(swp_entry_t entry, bint exclusive) noexcept nogil:
    return (swp_offset(entry) << 9) | (<uint64_t>swp_type(entry) << 4) | PTE_SWAP | (PTE_SWP_EXCLUSIVE if exclusive else 0)

cdef inline swp_entry_t pte_to_swp_entry(uint64_t pte) noexcept nogil:
    return swp_entry(<uint32_t>(pte >> 4) & 0x1F, pte >> 9)
