"""mem_cgroup: the counters of cgroup v1 (memory, memsw) and v2 (memory, swap), and the LRU lists of its folios.

swap_cgroup is an array of one 16-bit id a slot beside it: to whom the slot is charged; 0: nobody.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from shm.lock cimport lock_t

cdef enum:  # lru_list
    LRU_INACTIVE_ANON = 0
    LRU_ACTIVE_ANON = 1
    NR_LRU_LISTS = 2

cdef struct lru_t:  # lruvec->lock must be held
    uint32_t head  # the youngest
    uint32_t tail  # the next to be reclaimed
    uint32_t nr
    uint32_t pad

cdef struct mem_cgroup:
    # page counters, atomic:
    int64_t memory
    int64_t memsw  # v1
    int64_t swap  # v2
    int64_t id_refs  # 1 while online, and one a recorded slot
    # statistics, atomic:
    int64_t nr_swap  # MEMCG_SWAP
    uint64_t nonresident_age  # what workingset counts evictions with
    uint64_t oom_events
    # set at format:
    int64_t memory_limit  # pages
    int64_t memsw_limit
    int64_t swap_limit
    uint64_t pad0[6]
    lock_t lru_lock
    lru_t lru[NR_LRU_LISTS]
    uint64_t pad[4]
