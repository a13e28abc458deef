"""swap_cluster_info: 512 slots under one lock (kernel: mm/swap.h, 6.18), and the lists it lies on.

| flag    | list                   | holds                                              |
| ------- | ---------------------- | -------------------------------------------------- |
| NONE    | off every list         | one CPU owns it: an allocator, for a moment        |
| FREE    | si->free_clusters      | count 0, no table                                  |
| NONFULL | si->nonfull_clusters   | 0 < count < slots                                  |
| FRAG    | si->frag_clusters      | 0 < count < slots, was scanned                     |
| FULL    | si->full_clusters      | count == slots when it was put there               |
"""
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t
from shm.lock cimport lock_t

cdef enum:
    CLUSTER_NIL = 0xFFFFFFFF

cdef enum:  # cluster_flag
    CLUSTER_FLAG_NONE = 0
    CLUSTER_FLAG_FREE = 1
    CLUSTER_FLAG_NONFULL = 2
    CLUSTER_FLAG_FRAG = 3
    CLUSTER_FLAG_FULL = 4
    NR_CLUSTER_LISTS = 5

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
