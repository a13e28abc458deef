"""swap_cluster_info: 512 slots under one lock (kernel: mm/swap.h, 6.18), and the lists it lies on.

| flag    | list                        | holds                                              |
| ------- | --------------------------- | -------------------------------------------------- |
| NONE    | off every list              | one CPU owns it: an allocator, for a moment        |
| FREE    | si->free_clusters           | count 0, no table                                  |
| NONFULL | si->nonfull_clusters[order] | 0 < count < slots                                  |
| FRAG    | si->frag_clusters[order]    | 0 < count < slots, was scanned                     |
| FULL    | si->full_clusters           | count == slots when it was put there               |
| DISCARD | si->discard_clusters, or off every list while its blocks are discarded | count 0, a table        |

A cluster takes its order from the first allocation while it is empty: folios of 2^order pages. Order 0 takes slots of
any cluster, a higher one only of an empty cluster or of one of its own order.
"""
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from shm.lock cimport lock_t

cdef enum:
    CLUSTER_NIL = 0xFFFFFFFF
    SWAP_NR_ORDERS = 10  # 0 to 9: a folio of the last one fills a cluster of 512

cdef enum:  # cluster_flag
    CLUSTER_FLAG_NONE = 0
    CLUSTER_FLAG_FREE = 1
    CLUSTER_FLAG_NONFULL = 2
    CLUSTER_FLAG_FRAG = 3  # the last one that an allocation may use
    CLUSTER_FLAG_FULL = 4
    CLUSTER_FLAG_DISCARD = 5
    NR_CLUSTER_FLAGS = 6

cdef enum:
    NR_CLUSTER_LISTS = NR_CLUSTER_FLAGS + 2 * (SWAP_NR_ORDERS - 1)

cdef struct swap_cluster_info:
    lock_t lock
    # ci->lock must be held:
    uint16_t count  # slots that are not free, bad ones included
    uint8_t flags  # cluster_flag; changed under si->lock too
    uint8_t order
    uint32_t table  # index of its swap table + 1; 0: none. Read without the lock by a lookup
    # si->lock must be held:
    uint32_t prev
    uint32_t next
    # set by the CPU that takes it off its list (flag NONE), for law C15:
    uint32_t owner  # CPU + 1
    # ci->lock must be held:
    uint32_t ext  # index of its extend table + 1; 0: none
    uint32_t swept  # its count + 1 since swapoff has swept it, 0: no swapoff has; for law C18
    uint32_t pad[9]

cdef struct cluster_list:  # si->lock must be held
    uint32_t head
    uint32_t tail
    uint32_t nr
    uint32_t pad

cdef inline uint32_t cluster_list_of(uint32_t flag, uint32_t order) noexcept nogil:
    """Index of a list: by flag; those of NONFULL and FRAG with an order above 0 after the others, order by order."""
    if order == 0 or (flag != CLUSTER_FLAG_NONFULL and flag != CLUSTER_FLAG_FRAG):
        return flag
    return NR_CLUSTER_FLAGS + 2 * (order - 1) + (flag - CLUSTER_FLAG_NONFULL)

cdef inline uint32_t cluster_orders(uint64_t cluster_slots) noexcept nogil:
    """How many orders clusters of that many slots have room for: the folio of the last one fills one."""
    cdef uint32_t orders = 1
    while <uint64_t>1 << orders <= cluster_slots and orders < SWAP_NR_ORDERS:
        orders += 1
    return orders

cdef inline uint32_t flag_of_list(uint32_t which) noexcept nogil:
    """The flag of the clusters on that list."""
    return which if which < NR_CLUSTER_FLAGS else CLUSTER_FLAG_NONFULL + (which - NR_CLUSTER_FLAGS) % 2

cdef inline uint32_t order_of_list(uint32_t which) noexcept nogil:
    """The order of the clusters on a NONFULL or FRAG list."""
    return 0 if which < NR_CLUSTER_FLAGS else 1 + (which - NR_CLUSTER_FLAGS) // 2
