"""The block of one CPU: all that only it writes, and the semaphore on which it sleeps. Blocks share no cache line."""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from shm.cluster cimport SWAP_NR_ORDERS
from shm.histogram cimport histogram_t
from shm.lock cimport sem_t
from shm.swapfile cimport MAX_SWAPFILES
from shm.vmstat cimport NR_EVENTS, NR_GAUGES, NR_LATENCIES, NR_WAITS, NR_WARNINGS, wait_t, warn_t

cdef enum:  # wait_mode
    WAIT_MODE_NONE = 0
    WAIT_MODE_EXCLUSIVE  # is handed what it waits for (folio lock)
    WAIT_MODE_UNLOCK  # waits until somebody unlocks
    WAIT_MODE_WRITEBACK
    WAIT_MODE_EVENT

cdef enum:  # cpu_phase
    PHASE_UNUSED = 0
    PHASE_PREPARING
    PHASE_RUNNING
    PHASE_LEFT

cdef struct percpu_t:
    # written by whoever wakes this CPU:
    sem_t wake
    uint32_t wake_tokens  # wake-ups under way; cooperative: all there is of the semaphore
    uint32_t warned  # own: a bit for each warning it has given
    # the wait queue's lock must be held:
    uint64_t wait_addr
    uint32_t wait_mode
    uint32_t wait_next  # CPU + 1
    # own:
    uint32_t phase
    uint32_t operation  # what it does now, for evidence
    uint64_t generation  # of its lock acquisitions
    uint64_t free_head  # tagged stack of free folios; others may steal from it by compare-and-swap
    uint64_t rng[2]
    uint64_t stamp  # last version it stored
    int64_t users[MAX_SWAPFILES]  # percpu_ref: swap device references taken less given back here
    uint64_t cluster_next[SWAP_NR_ORDERS]  # percpu_swap_cluster: by order, the entry to try next; 0: none
    uint64_t reserved_entry  # W_res: allocated, not yet in the swap cache
    uint64_t reserved_nr  # so many slots from that one on
    uint64_t claimed_entry  # W_claim, W_byp, W_del
    uint64_t claimed_nr  # so many slots from that one on
    uint64_t refused_entry  # claimed by somebody else when this CPU last asked, 0: it has got what it asked for
    uint64_t refused_sleeps  # how often it had slept then; for law L4
    uint64_t trace_head
    uint64_t dropped_clean  # a folio that left the swap cache clean, with its slot: dirty before it is unlocked; for law F7
    uint64_t deletions  # folios that this CPU has taken out of the swap cache; for law L5
    uint64_t pad1[2]
    uint64_t events[NR_EVENTS]
    int64_t gauges[NR_GAUGES]
    wait_t waits[NR_WAITS]
    warn_t warnings[NR_WARNINGS]
    histogram_t latencies[NR_LATENCIES]

cdef inline bint is_reserved(percpu_t *pc, uint64_t entry) noexcept nogil:
    """Whether the CPU has allocated the slot and not yet put its folio there."""
    return pc.reserved_entry != 0 and entry - pc.reserved_entry < pc.reserved_nr
