"""mem_cgroup: the counters of cgroup v1 (memory, memsw) and v2 (memory, swap), and the LRU lists of its folios.

memcgs form a tree by their `parent`; 0 is the root, which has lists for folios that nobody is charged for, and no limit.
A counter holds what a memcg and all below it are charged for; statistics and references count its own alone.
swap_cgroup is an array of one 16-bit id a slot beside it: to whom the slot is charged; 0: nobody.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from shm.lock cimport lock_t

cdef enum:  # lru_list
    LRU_INACTIVE_ANON = 0
    LRU_ACTIVE_ANON = 1
    NR_LRU_LISTS = 2

cdef enum:  # page_counter of a mem_cgroup
    COUNTER_MEMORY = 0
    COUNTER_MEMSW = 1  # v1: memory and swap together
    COUNTER_SWAP = 2  # v2
    NR_COUNTERS = 3

cdef enum:  # css: the state of a memcg, one word so that nobody enters one that goes
    CSS_ONLINE = 1
    CSS_MEMBER = 2  # times the mms in it and its online children

cdef struct lru_t:  # lruvec->lock must be held
    uint32_t head  # the youngest
    uint32_t tail  # the next to be reclaimed
    uint32_t nr
    uint32_t pad

cdef struct page_counter:  # atomic:
    int64_t usage  # pages
    int64_t max

cdef struct mem_cgroup:
    # atomic:
    page_counter counters[NR_COUNTERS]
    int64_t id_refs  # 1 while online, and one a recorded slot; at 0 the id names nobody any more
    uint32_t css  # CSS_ONLINE and members
    uint32_t iter_position  # mem_cgroup_reclaim_iter: the descendant that reclaim from here looked at last
    # statistics, atomic:
    int64_t nr_swap  # MEMCG_SWAP: slots recorded for it
    int64_t swapcached  # NR_SWAPCACHE: pages in the swap cache that it is charged for
    uint64_t nonresident_age  # what workingset counts evictions with
    uint64_t oom_events
    # set at format:
    uint32_t parent  # 0: the root
    uint32_t pad0[7]
    lock_t lru_lock
    lru_t lru[NR_LRU_LISTS]
    uint64_t pad[4]
