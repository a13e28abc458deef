"""The cost model as numbers: ns times 1024, so that a cost of 5.6 ns is not 5 or 6 but one or the other in proportion."""
from libc.stdint cimport uint32_t, uint64_t

cdef enum:
    COST_SHIFT = 10

cdef struct costs_t:
    uint32_t cpus_per_core
    uint32_t cpus_per_socket
    uint64_t own
    uint64_t shared
    uint64_t line[3]  # by distance
    uint64_t handover[3]
    uint64_t atomic
    uint64_t acquire
    uint64_t release
    uint64_t access
    uint64_t entry
    uint64_t exit
    uint64_t sleep
    uint64_t waker
    uint64_t latency[3]
    uint64_t timer
    uint64_t request
    uint64_t noise  # of 1024: how far a cost goes to either side
    uint32_t lruvec_batch
    uint32_t charge_batch
    bint hits_take_lock
    bint aligned
    uint64_t start_ns
    uint64_t interrupt_every_ns  # 0: never
    uint64_t interrupt_ns

cdef enum:  # distance
    SAME_CORE = 0
    SAME_SOCKET = 1
    OTHER_SOCKET = 2

cdef void fill_costs(costs_t *c, model) except *

cdef inline int distance(const costs_t *c, uint32_t a, uint32_t b) noexcept nogil:
    """How far two CPUs are from one another."""
    if a // c.cpus_per_socket != b // c.cpus_per_socket:
        return OTHER_SOCKET
    return SAME_CORE if a // c.cpus_per_core == b // c.cpus_per_core else SAME_SOCKET
