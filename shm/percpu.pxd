"""The block of one CPU: all that only it writes, and the semaphore on which it sleeps. Blocks share no cache line."""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
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
    uint32_t cluster[MAX_SWAPFILES]  # percpu_swap_cluster: index + 1, 0: none
    uint32_t cluster_offset[MAX_SWAPFILES]
    uint64_t reserved_entry  # W_res: allocated, not yet in the swap cache; the first of reserved_nr slots
    uint64_t claimed_entry  # W_claim, W_byp, W_del; the first of claimed_nr slots
    uint32_t reserved_nr
    uint32_t claimed_nr
    uint64_t refused_entry  # claimed by somebody else when this CPU last asked, 0: it has got what it asked for
    uint64_t refused_sleeps  # how often it had slept then; for law L4
    uint64_t trace_head
    uint64_t pad1[4]
    uint64_t events[NR_EVENTS]
    int64_t gauges[NR_GAUGES]
    wait_t waits[NR_WAITS]
    warn_t warnings[NR_WARNINGS]
    histogram_t latencies[NR_LATENCIES]
