"""Depth-first search of the tree of choices, by the number of preemptions."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from workers.schedulers.schedule cimport Schedule

cdef enum:
    CHANCE = 255  # home of a node where 0 or 1 is chosen, and no CPU

cdef struct node_t:  # a choice of the present execution that has alternatives
    uint64_t options  # where its enabled CPUs begin in `options`
    uint64_t step  # what the first of them was about to do
    uint8_t nr
    uint8_t home  # which of them is taken first: the one that ran last
    uint8_t costs  # that one is enabled: any other is a preemption
    uint8_t taken  # 0: home, then the others as they stand

cdef class PreemptionBound(Schedule):
    cdef readonly uint32_t bound  # preemptions of an execution, at most, in the present round
    cdef readonly uint32_t first  # bound of the first round
    cdef readonly uint32_t limit  # bound of the last round
    cdef readonly bint exhausted  # there is no execution left
    cdef readonly bint complete  # every interleaving has been played
    cdef readonly uint64_t repeated  # executions that an earlier round had played
    cdef bint begun
    cdef bint pruned  # in this round the bound stood against some choice
    cdef uint32_t spent  # preemptions of the execution so far
    cdef int refused  # NOT_REFUSED, or why
    cdef uint64_t position  # nodes behind
    # The execution's nodes: first those to be followed, then those it comes to.
    cdef node_t *nodes
    cdef uint64_t nr_nodes
    cdef uint64_t node_room
    cdef uint8_t *options
    cdef uint64_t nr_options
    cdef uint64_t option_room
    cdef uint64_t *played  # executions by preemptions
    cdef uint64_t played_room
    cdef node_t *come_to(self, const uint8_t *enabled, int nr, int home, bint costs) noexcept nogil
    cdef node_t *extend(self, const uint8_t *enabled, int nr, int home, bint costs) noexcept nogil
    cdef bint backtrack(self) noexcept nogil
    cdef bint next_round(self) noexcept nogil

cdef class DepthFirst(PreemptionBound):
    pass
