"""What a CPU counts: events (kernel: /proc/vmstat names where there is one), causes of waiting, latencies.

Every counter belongs to one CPU and has one writer; sums are taken at rest.
"""
from libc.stdint cimport uint64_t

cdef enum:  # event
    EV_OPERATIONS = 0
    EV_SWAP_INS
    EV_PSWPIN
    EV_PSWPOUT
    EV_PGFAULT
    EV_PGMAJFAULT
    EV_SWAP_RA
    EV_SWAP_RA_HIT
    EV_TICK_SLEEPS
    EV_SWAPCACHE_EEXIST
    EV_SWAPCACHE_ENOENT
    EV_FAULT_RETRY
    EV_REFAULT_RACED
    EV_ZERO_FILL
    EV_COW
    EV_COW_REUSE
    EV_PGSTEAL
    EV_PGSCAN
    EV_ALLOCSTALL
    EV_FREE_CACHE_ONLY
    EV_SWAP_FULL
    EV_CHARGE_FAILED
    EV_VM_FAULT_OOM
    EV_VM_FAULT_SIGBUS
    EV_WORKINGSET_REFAULT
    EV_WORKINGSET_ACTIVATE
    EV_FORKS
    EV_EXITS
    EV_SWAPOFFS
    EV_SWAPOFF_FAILED
    EV_PAGEOUTS
    EV_DONTNEEDS
    EV_WRITE_ERRORS
    EV_READ_ERRORS
    EV_ALLOC_FAILED
    EV_SWAPCACHE_RETRY
    EV_PGDEACTIVATE
    EV_PGLAZYFREE
    EV_PGLAZYFREED
    EV_MOVES
    EV_SWPIN_ZERO
    EV_SWPOUT_ZERO
    EV_ZSWPIN
    EV_ZSWPOUT
    EV_ZSWPWB
    EV_ZSWAP_LIMIT_HIT
    EV_ZSWAP_REJECT_RECLAIM
    EV_ANON_FAULT_ALLOC  # large folios (kernel: hugepages-*/stats)
    EV_ANON_FAULT_FALLBACK
    EV_ANON_FAULT_FALLBACK_CHARGE
    EV_SWPOUT_LARGE
    EV_THP_SWPOUT_FALLBACK
    EV_SWPIN_LARGE
    EV_SWPIN_FALLBACK
    EV_SPLIT_FOLIO
    EV_SPLIT_FOLIO_FAILED
    EV_VM_FAULT_OOM_SPURIOUS  # a fault that told it, and memory was there
    EV_SHMEM_ALLOC  # large folios of files
    EV_SHMEM_FALLBACK
    EV_SHMEM_FALLBACK_CHARGE
    EV_MUNMAPS
    EV_MMAPS
    EV_VM_FAULT_SIGSEGV  # an access to a page that no VMA has
    NR_EVENTS

cdef enum:  # gauge: summed over CPUs: a CPU's own part may be negative
    NR_SWAPCACHE = 0
    NR_ANON_MAPPED
    NR_GAUGES

cdef enum:  # wait_cause
    WAIT_CLUSTER_LOCK = 0
    WAIT_FOLIO_LOCK
    WAIT_TICK_SLEEP
    WAIT_DEVICE
    WAIT_RECLAIM
    WAIT_MMAP_LOCK
    WAIT_PAGE_TABLE_LOCK
    WAIT_OTHER_LOCK
    NR_WAITS

cdef enum:  # latency
    LAT_SWAP_IN = 0
    LAT_ZERO_FILL
    LAT_COW
    LAT_RECLAIM
    LAT_SWAPOFF
    LAT_FORK
    LAT_EXIT
    NR_LATENCIES

cdef enum:  # warning: steps that found the world as no protocol may leave it (kernel: VM_WARN_ON_ONCE)
    WARN_ADD_CACHED = 0  # a folio put in a word that holds another one
    WARN_DEL_FOREIGN  # a folio removed from a word that held another one
    WARN_FREE_IN_USE  # a slot freed that is cached or has references
    WARN_COUNT_UNDERFLOW  # a reference dropped that was not there
    WARN_REFCOUNT  # a folio reference dropped that was not there
    WARN_STALE_LOAD  # a load that did not see the last store
    WARN_MAP_BAD_SLOT  # a swap PTE whose slot has no reference
    WARN_CGROUP_RECORD  # an id recorded on a slot that has one, or on a free one
    WARN_TABLE_STUCK  # a lookup that never got its folio
    WARN_CLAIM_LEFT  # a claim that no one ended
    WARN_LOST_WAKEUP  # a waiter whose event had come
    WARN_LOCKDEP  # illegal order, or a sleep under a spinlock class
    WARN_NO_SLOT  # a slot asked for that no device in use has
    WARN_SPIN  # a claim asked for again, and again refused, without a sleep in between
    WARN_CACHE_UNLOCKED  # a folio put in the swap cache or taken out by who has not locked it
    WARN_FIRST_REFERENCE  # a slot's first reference taken without its locked folio
    WARN_ADD_WRONG  # a folio read into the swap cache of a slot nobody refers to, or written to one in use
    WARN_DEL_ONLY_COPY  # a folio taken out of the swap cache though its slot has no good copy
    WARN_FREE_UNLOCKED  # a slot freed without its cluster's lock
    WARN_SLOT_RECYCLED  # a swap-in that maps what its slot held before it was freed, or over another PTE than its own
    WARN_READ_UNOWNED  # a read that fills a folio which is not locked for it
    WARN_CLEAN_DROPPED  # a folio whose only copy it is now, and that is not dirty
    WARN_RETRY_ALONE  # an insertion refused for a folio that is not there, and nobody has taken one out
    WARN_UNUSE_STUCK  # a round of swapoff that brings nothing in though nobody else is at work
    WARN_SPURIOUS_OOM  # a fault out of memory though nothing has failed
    WARN_TABLE_TWICE  # an isolated cluster that got a table from another CPU
    WARN_READ_MIXED  # a folio read from slots some of which are zero-filled
    NR_WARNINGS

cdef struct wait_t:
    uint64_t count
    uint64_t total_ns
    uint64_t max_ns

cdef struct warn_t:
    uint64_t count
    uint64_t a  # of the first one: what it saw
    uint64_t b
    uint64_t c
