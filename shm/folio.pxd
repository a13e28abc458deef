"""folio: 2^order pages of memory that are managed as one (kernel: struct folio, anonymous or of a shmem mapping).

The head page carries all fields; a tail page carries the PFN of its head and, page by page, PG_ANON_EXCLUSIVE. A PTE
holds the PFN of the page that it maps, a table word that of the head.
flags are one atomic word; PG_locked is a sleeping lock, first come first served: who unlocks hands it to the first waiter.
"""
from libc.stdint cimport int32_t, uint32_t, uint64_t

cdef enum:
    PFN_NONE = 0  # PFN 0 is never handed out, so that 0 means none

cdef enum:  # folio_flag
    PG_LOCKED = 1 << 0
    PG_WAITERS = 1 << 1
    PG_UPTODATE = 1 << 2
    PG_DIRTY = 1 << 3
    PG_LRU = 1 << 4
    PG_ACTIVE = 1 << 5
    PG_WRITEBACK = 1 << 6
    PG_SWAPCACHE = 1 << 7
    PG_SWAPBACKED = 1 << 8
    PG_READAHEAD = 1 << 9
    PG_WORKINGSET = 1 << 10
    PG_RECLAIM = 1 << 11
    PG_ANON_EXCLUSIVE = 1 << 12
    PG_REFERENCED = 1 << 13
    PG_CLAIMED = 1 << 14  # V1: read by a bypass; folio->swap is set though the swap cache does not hold it
    PG_ANON = 1 << 15  # it has been mapped: index and anon_vma are its own
    PG_BUDDY = 1 << 16  # the first page of a free block of the zone
    PG_ERROR = 1 << 17  # its read has failed: in the swap cache it stays what it is, not uptodate

cdef struct folio_t:
    # atomic:
    uint32_t flags
    int32_t refcount
    int32_t mapcount  # of all its pages together
    uint32_t lock_owner  # CPU + 1 that holds PG_locked; 0: nobody, IO_OWNER: a read under way
    # folio lock must be held:
    uint64_t swap  # swp_entry_t, 0: none
    uint32_t memcg  # charged to, 0: none
    uint32_t anon_vma
    uint32_t index  # first page of the address space, the same in all mms of the anon_vma
    # lruvec lock must be held, of a free block that of the zone:
    uint32_t lru_prev
    uint32_t lru_next
    # owner of the free folio:
    uint32_t next_free
    # set at allocation, changed by a split that has frozen the folio:
    uint32_t order
    uint32_t head  # of a tail page: PFN of its head; of a head: its own
    # folio lock and i_pages of the mapping must be held:
    uint32_t mapping  # inode + 1 whose page cache holds it; 0: anonymous, MAPPING_NONE (shmem.pxd): none
    uint32_t pad

cdef enum:
    IO_OWNER = 0xFFFF

cdef inline uint32_t folio_nr_pages(folio_t *folio) noexcept nogil:
    """Pages of the folio, 1 to 512."""
    return <uint32_t>1 << folio.order
