"""The steps of one execution: which happens before which, and which two could have come in the other order.

Step i happens before step j when the same CPU takes both, or when they depend on each other and i came first, or by a
chain of such pairs: Mazurkiewicz's order of a trace. Executions with one order are one class: they end alike. The order
is kept as vector clocks (Mattern 1989), one row a step.

What a step is, is known when it is taken: a trylock of a lock that is held reads it; taking a reference off a count adds
to it, but whoever takes the last one writes it, since the others would have to come before. A sleep that ends because
time has passed, which it only does when nobody can go on, happens after all that came before that: its `barrier`.
"""
cimport cython
from libc.stdint cimport int32_t, uint32_t, uint64_t
from workers.schedulers.schedule cimport EVERYTHING, pending_t

cdef enum:
    MOST_CPUS = 64  # bits of a set

cdef struct node_t:  # a step, or a chance that the step before it left open
    pending_t step
    uint64_t enabled  # sets of CPUs, before the step
    uint64_t timed  # whose sleep has ended because time has passed
    uint64_t sleep  # what follows if one of these goes on was seen already
    uint64_t done
    uint64_t backtrack  # to be tried here
    uint64_t pendings  # hash of what all CPUs were about to do
    int32_t cpu
    int32_t object  # number of the object, -1: none
    int32_t before_of_cpu  # indices of earlier steps, -1: none
    int32_t before_on_object
    int32_t before_wide
    int32_t acquisition  # the step that held the lock last before this one took it
    int32_t barrier  # steps before this index happen before this one, whatever they touch
    bint is_chance
    bint happens  # of a chance: whether it does

cdef struct object_t:
    uint64_t object
    int32_t last  # step on it
    int32_t acquisition  # the last step that took it, if it is a lock
    bint held  # now, in the execution that runs

cdef struct race_t:
    int32_t earlier
    bint of_holders  # the later one is an acquire, the earlier one took the lock before it

@cython.final
cdef class ExecutedSteps:
    cdef node_t *nodes
    cdef readonly int length
    cdef int room
    cdef int nr_cpus
    cdef const char *base  # of the segment
    cdef uint32_t *clocks  # nr_cpus a row: how many steps of the execution, up to one of that CPU, came before
    cdef race_t *races  # of the step that was ordered last
    cdef int linked  # steps before this one are in the chains
    cdef int32_t last_of_cpu[MOST_CPUS]
    cdef int32_t last_wide
    cdef object_t *objects
    cdef int32_t *slots  # hash table: number of the object + 1
    cdef int nr_objects
    cdef int nr_slots

    cdef bint start(self, int nr_cpus, const char *base) noexcept nogil
    cdef bint reserve(self, int nodes) noexcept nogil
    cdef int32_t number_of(self, uint64_t object) noexcept nogil
    cdef bint more_slots(self) noexcept nogil
    cdef void free_locks(self) noexcept nogil
    cdef void as_taken(self, pending_t *step, const pending_t *pending) noexcept nogil
    cdef void take(self, const node_t *node) noexcept nogil
    cdef int order(self, int j) noexcept nogil
    cdef void link(self, int j) noexcept nogil
    cdef void truncate(self, int length) noexcept nogil
    cdef uint64_t initials(self, const race_t *race, int j) noexcept nogil
    cdef bint begins(self, const uint32_t *clock, const int32_t *first, uint64_t seen) noexcept nogil

cdef inline bint is_wide(const node_t *node) noexcept nogil:
    """Whether it may depend on steps on other objects than its own."""
    return node.step.object == EVERYTHING
