"""Cycles without progress: whether an execution comes to a state in which it has been, and could go on so for ever.

A *head* is a step at which a CPU begins to look again: it wakes from a tick, comes back from a park, tries a lock. Two
heads with the same memory, the same CPU and the same pending steps of all CPUs suggest a lasso; it is one when the steps
between them, taken again REPEATS times, lead to the same head each time. Only a fair one is told: in each round every CPU
that has not ended takes a step or is disabled at some point (weak fairness).
"""
from libc.stdint cimport uint8_t, uint64_t

cdef enum:
    MAX_REGIONS = 4
    HEADS = 64  # remembered; older ones are forgotten
    REPEATS = 100  # more rounds than a script has equal operations
    LASSO_TASKS = 80  # MAX_TASKS of an execution

cdef struct regions_t:  # memory that is compared; whole words
    int nr
    const uint64_t *base[MAX_REGIONS]
    uint64_t words[MAX_REGIONS]

cdef struct lasso_t:
    regions_t state
    uint64_t hashes[HEADS]
    uint64_t steps[HEADS]
    uint64_t nr_heads
    uint64_t first  # number of the step with which a round begins
    uint64_t length  # of a round, in steps; 0: no lasso is followed
    uint64_t hash  # of its head
    uint8_t fair[LASSO_TASKS]  # took a step in the round, or was disabled at some point of it

cdef void regions_add(regions_t *r, const void *base, uint64_t bytes) noexcept nogil
cdef uint64_t fingerprint(const regions_t *r) noexcept nogil
cdef void lasso_begin(lasso_t *l) noexcept nogil
cdef void lasso_head(lasso_t *l, uint64_t hash, uint64_t step) noexcept nogil
