"""zswap: pages that stay in memory in place of their slot (kernel: mm/zswap.c), and the lists by which they go to the device.

`zswap_tree` holds one word a slot, the index of its entry (entries count from 1; 0: none): what a kernel keeps in an
xarray per 64 MiB, each word loaded, stored and erased by one atomic step. An entry keeps its page whole.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from shm.lock cimport lock_t
from shm.memcg cimport lru_t

cdef struct zswap_pool:
    # set at format:
    uint64_t store_ns  # what compressing a page takes
    uint64_t load_ns
    uint32_t accept_pages  # once the pool was full, it takes pages again when it holds no more than that
    uint32_t shrinker  # direct reclaim writes entries back
    uint32_t writeback  # memory.zswap.writeback of all memcgs
    # read and written without a lock:
    uint32_t reached_full
    uint32_t shrink  # somebody was refused: the worker is asked for
    uint32_t pad0
    # atomic:
    int64_t stored_pages
    uint64_t free_entries  # tagged head of the stack: tag << 32 | index
    uint64_t pad1

cdef struct zswap_lru:
    lock_t lock
    # zswap_lru->lock must be held:
    lru_t list  # its tail is the next to be written back
    uint64_t pad[6]

cdef struct zswap_entry:
    # the lock of its memcg's list must be held:
    uint64_t swpentry  # the slot it is kept for, 0: it is on no list
    uint32_t lru_prev
    uint32_t lru_next
    uint32_t referenced  # stored since the last look: it gets a second chance
    # set at its allocation:
    uint32_t memcg
    uint64_t pad
