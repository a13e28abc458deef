"""Preemption bounding: every interleaving without a preemption, then every one with 1, with 2, ...

Papers: Musuvathi, Qadeer, "Iterative context bounding for systematic testing of multithreaded programs" (PLDI 2007);
Thomson, Donaldson, Betts, "Concurrency testing using schedule bounding" (PPoPP 2014): most bugs need one or two. A
preemption is a switch away from a CPU that is enabled; a switch from one that waits or has ended is free.

The tree of choices is searched depth first, the CPU that ran last first. The stack is the present execution, one node
for each choice that has an alternative within the bound; memory follows the longest execution, whatever their number.
A chance that may come true or not is a node too, and no preemption: first it does not. A node that is come to again
must look the same, or the program is not one program.

A round plays the executions of `bound` preemptions at most. That there was no place left for one more is known at the
end of an execution only, so those of fewer preemptions are played again in each later round, and counted as `repeated`.
They are few while every bound has many times the executions of the one before, that is until the tree comes to its
end. (The paper keeps a queue of states instead, which grows with the executions.) A round in which the bound stood
against no choice was the whole tree, and ends the search.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memcpy, memset

from workers.schedulers.schedule cimport REFUSED, Schedule, pending_t

cdef extern from *:
    bint unlikely(bint condition) nogil  # of Cython's own C: the branch lies aside

cdef enum:  # why the search cannot go on
    NOT_REFUSED = 0
    UNLIKE
    NO_MEMORY

cdef uint32_t UNLIMITED = <uint32_t>-1


cdef inline void *room_for(void *array, uint64_t nr, uint64_t *room, uint64_t bytes) noexcept nogil:
    """`array`, moved where it has no room for `nr` elements. NULL: no memory, and the old one stands."""
    cdef uint64_t wanted = max(<uint64_t>1024, 2 * nr)
    if array != NULL and nr <= room[0]:
        return array
    array = realloc(array, wanted * bytes)
    if array != NULL:
        room[0] = wanted
    return array


cdef inline uint64_t step_of(const pending_t *pending) noexcept nogil:
    return pending.object << 16 | <uint64_t>(pending.kind << 8) | <uint64_t>pending.access


cdef class PreemptionBound(Schedule):
    """Rounds of bound `first`, first + 1, ... up to `limit`, or, when that is None, until every interleaving is played.

    `first` and `limit` equal: one round, all executions of that many preemptions at most. Executions are played in the
    order of the search, whatever their numbers.
    """

    def __init__(self, limit: int | None = None, first: int = 0) -> None:
        if limit is not None and not 0 <= limit < UNLIMITED:
            raise ValueError(f"limit {limit}: it is a number of preemptions, or None")
        if not 0 <= first <= (UNLIMITED if limit is None else limit):
            raise ValueError(f"first {first}: it is a number of preemptions, and not above the limit")
        self.first = self.bound = first
        self.limit = UNLIMITED if limit is None else limit

    def __dealloc__(self):
        free(self.nodes)
        free(self.options)
        free(self.played)

    cdef bint new_execution(self, uint64_t number) noexcept nogil:
        self.position = 0
        self.spent = 0
        if not self.exhausted and self.begun and not self.backtrack() and not self.next_round():
            self.exhausted = True
        self.begun = True
        return not self.exhausted

    cdef bint backtrack(self) noexcept nogil:
        """The next alternative of the deepest node that has one. False: there is none in this round."""
        cdef node_t *node
        while self.nr_nodes > 0:
            node = &self.nodes[self.nr_nodes - 1]
            if node.taken + 1 < node.nr:
                node.taken += 1
                return True
            self.nr_options = node.options
            self.nr_nodes -= 1
        return False

    cdef bint next_round(self) noexcept nogil:
        self.complete = not self.pruned
        if self.complete or self.bound == self.limit:
            return False
        self.bound += 1
        self.pruned = False
        return True

    cdef int next_cpu(self, const uint8_t *enabled, int nr, int last) noexcept nogil:
        cdef int i, home = 0
        cdef bint costs = False
        cdef node_t *node
        for i in range(nr):
            if enabled[i] == last:
                home = i
                costs = True
        if costs and self.spent == self.bound:
            self.pruned = True
            return last
        node = self.come_to(enabled, nr, home, costs)
        if unlikely(node == NULL):
            return REFUSED
        if node.taken == 0:
            return enabled[home]
        self.spent += costs
        return enabled[node.taken - 1 if node.taken <= home else node.taken]

    cdef bint next_chance(self, uint32_t ppm) noexcept nogil:
        cdef node_t *node = self.come_to(NULL, 2, CHANCE, False)
        return node != NULL and node.taken == 1

    cdef int next_choice(self, uint32_t n) noexcept nogil:
        """What seeds the CPUs' random numbers is the same in every execution."""
        return REFUSED if self.refused else 0

    cdef node_t *come_to(self, const uint8_t *enabled, int nr, int home, bint costs) noexcept nogil:
        """The node of this choice: the one to be followed, or a new one. NULL: `refused` says why."""
        cdef uint64_t step = 0 if enabled == NULL else step_of(&self.pending[enabled[home]])
        cdef node_t *node
        if self.position == self.nr_nodes:
            node = self.extend(enabled, nr, home, costs)
            if node != NULL:
                node.step = step
        else:
            node = &self.nodes[self.position]
            if node.nr != nr or node.home != home or node.costs != costs or node.step != step or (
                    enabled != NULL and memcmp(&self.options[node.options], enabled, nr) != 0):
                self.refused = UNLIKE
                return NULL
        self.position += 1
        return node

    cdef node_t *extend(self, const uint8_t *enabled, int nr, int home, bint costs) noexcept nogil:
        cdef void *nodes = room_for(self.nodes, self.nr_nodes + 1, &self.node_room, sizeof(node_t))
        cdef void *options = room_for(self.options, self.nr_options + nr, &self.option_room, 1)
        cdef node_t *node
        if nodes != NULL:
            self.nodes = <node_t *>nodes
        if options != NULL:
            self.options = <uint8_t *>options
        if nodes == NULL or options == NULL:
            self.refused = NO_MEMORY
            return NULL
        node = &self.nodes[self.nr_nodes]
        node.options = self.nr_options
        node.nr = <uint8_t>nr
        node.home = <uint8_t>home
        node.costs = costs
        node.taken = 0
        if enabled != NULL:
            memcpy(&self.options[self.nr_options], enabled, nr)
            self.nr_options += nr
        self.nr_nodes += 1
        return node

    cdef void end_execution(self, uint64_t steps, bint complete) noexcept nogil:
        cdef uint64_t room = self.played_room
        cdef void *played
        if self.refused:
            return
        if self.position < self.nr_nodes:
            self.refused = UNLIKE
            return
        if self.spent < self.bound and self.bound != self.first:
            self.repeated += 1
            return
        played = room_for(self.played, self.spent + 1, &self.played_room, sizeof(uint64_t))
        if played == NULL:
            self.refused = NO_MEMORY
            return
        self.played = <uint64_t *>played
        memset(&self.played[room], 0, (self.played_room - room) * sizeof(uint64_t))
        self.played[self.spent] += 1

    def executions(self) -> dict[int, int]:
        """How many executions have been played by their preemptions, each counted once."""
        return {i: self.played[i] for i in range(self.played_room) if self.played[i]}

    def exhausted_bound(self) -> int | None:
        """The largest number such that every execution of so many preemptions, or fewer, has been played."""
        if self.exhausted:
            return self.bound
        return self.bound - 1 if self.bound > self.first else None

    def refusal(self) -> str:
        if self.refused == NO_MEMORY:
            return f"no memory for a choice after {self.position} others"
        return f"the program is not deterministic: after {self.position} choices it cannot do what it could before"

    def left(self) -> int:
        """Choices that were to be followed in the last execution and did not come; -1 when one was refused."""
        return -1 if self.refused else self.nr_nodes - self.position


cdef class DepthFirst(PreemptionBound):
    """Plain depth-first search, without a bound: one round, every interleaving once. The reference for reductions."""

    def __init__(self) -> None:
        super().__init__(first=UNLIMITED)
