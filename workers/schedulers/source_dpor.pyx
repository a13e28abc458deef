"""Source-DPOR with sleep sets: exhaustive, without trying both orders of what commutes.

Papers: Abdulla, Aronis, Jonsson, Sagonas, "Optimal Dynamic Partial Order Reduction" (POPL 2014), the algorithm with
source sets; Flanagan, Godefroid, "Dynamic Partial-Order Reduction for Model Checking Software" (POPL 2005). After each
execution its races are looked for: two steps that depend on each other, next to each other in some order of the same
class. For each, the place before the earlier one gets a CPU that leads to the other order, unless it has one.

Deviations, all of them on the safe side:

- Locks are known: an acquire waits until it can be taken, so its race is with the step that took the lock before it,
  never with the release that lets it in. A failing trylock reads the lock.
- A step that only became enabled by the earlier one is in no race with it, unless something else enables it there.
- A sleep ends because time has passed only when nobody can go on: after all that came before, and in no race with it.
  Which of two sleepers' times comes first is taken as the clock says: a few ns of the steps before may decide it.
- An execution that ends early, at a broken law or its limit, tries everybody at its last step.
- Chances are enumerated as they are met: both ways, everywhere.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from workers.cpu cimport STEP_END, STEP_PARK, STEP_TICK
from workers.schedulers.executed_steps cimport MOST_CPUS, ExecutedSteps, node_t
from workers.schedulers.schedule cimport CUT, REFUSED, Schedule, dependent, pending_t

cdef enum:  # trouble
    NONE = 0
    TOO_MANY_CPUS
    NO_MEMORY
    OTHER_ENABLED
    OTHER_PENDING
    OTHER_CHANCE

TROUBLES = (
    "nothing is wrong", "more than 64 CPUs", "no memory for the steps of an execution",
    "nondeterminism: other CPUs can go on than the last time",
    "nondeterminism: a CPU is about to do something else than the last time",
    "nondeterminism: a chance is not where it was the last time",
)


cdef inline uint64_t bit(int cpu) noexcept nogil:
    return <uint64_t>1 << cpu


cdef inline int lowest(uint64_t cpus) noexcept nogil:
    cdef int cpu = 0
    while not cpus >> cpu & 1:
        cpu += 1
    return cpu


cdef class SourceDpor(Schedule):
    """Executions in depth first order. Memory holds one of them, however many there are."""

    def __init__(self) -> None:
        self.steps = ExecutedSteps()
        self.every_step = True

    cdef bint new_execution(self, uint64_t number) noexcept nogil:
        """The number means nothing: each execution follows from those before it."""
        if self.exhausted:
            return False
        if not self.begun:
            self.begun = True
            if self.nr_cpus > MOST_CPUS:
                self.trouble = TOO_MANY_CPUS
            elif not self.steps.start(self.nr_cpus, self.base):
                self.trouble = NO_MEMORY
        elif self.trouble == NONE and not self.next_branch():
            self.exhausted = True
            return False
        self.steps.free_locks()
        self.position = 0
        self.step = -1
        self.cut = False
        self.asleep = 0
        return True

    cdef bint next_branch(self) noexcept nogil:
        """Keep the beginning up to the last place where something is left to try, and what is next there."""
        cdef node_t *node = NULL
        cdef uint64_t left = 0
        cdef int length = self.steps.length
        while length > 0:
            node = &self.steps.nodes[length - 1]
            if node.is_chance:
                if not node.happens:
                    node.happens = True
                    break
            else:
                node.done |= bit(node.cpu)
                left = node.backtrack & ~node.done & ~node.sleep
                if left != 0:
                    break
            length -= 1
        self.steps.truncate(max(0, length - 1))
        self.steps.length = length
        if length > 0 and not node.is_chance:
            node.cpu = lowest(left)
        return length > 0

    cdef int next_cpu(self, const uint8_t *enabled, int nr, int last) noexcept nogil:
        cdef uint64_t all = 0
        cdef int i, chosen
        if self.trouble != NONE:
            return REFUSED
        for i in range(nr):
            all |= bit(enabled[i])
        chosen = self.replay(all) if self.position < self.steps.length else self.extend(all, last)
        if chosen >= 0:
            self.steps.take(&self.steps.nodes[self.position])
            self.step = self.position
            self.position += 1
        return chosen

    cdef int replay(self, uint64_t enabled) noexcept nogil:
        """The next node is there from an earlier execution; the last one has a CPU to be tried."""
        cdef node_t *node = &self.steps.nodes[self.position]
        if node.is_chance or node.enabled != enabled:
            self.trouble = OTHER_CHANCE if node.is_chance else OTHER_ENABLED
            return REFUSED
        if node.pendings != self.hash_pending():
            self.trouble = OTHER_PENDING
            return REFUSED
        self.note_sleepers(node)
        if self.position == self.steps.length - 1:
            self.fill(node)
        return node.cpu

    cdef void fill(self, node_t *node) noexcept nogil:
        """The step of the node's CPU."""
        self.steps.as_taken(&node.step, &self.pending[node.cpu])
        node.object = self.steps.number_of(node.step.object)
        node.barrier = self.slept_until[node.cpu] if node.timed >> node.cpu & 1 else 0

    cdef int extend(self, uint64_t enabled, int last) noexcept nogil:
        """A place where no execution has been."""
        cdef node_t *node
        cdef uint64_t asleep = self.asleep_now(), timed = self.timed_now(enabled)
        if enabled & ~asleep == 0:
            self.cut = True
            self.asleep = enabled
            return CUT
        if not self.steps.reserve(self.position + 2):
            self.trouble = NO_MEMORY
            return REFUSED
        node = &self.steps.nodes[self.position]
        self.steps.length += 1
        node.is_chance = False
        node.enabled = enabled
        node.timed = timed
        node.sleep = asleep
        node.done = 0
        node.pendings = self.hash_pending()
        node.cpu = last if last >= 0 and (enabled & ~asleep) >> last & 1 else lowest(enabled & ~asleep)
        node.backtrack = bit(node.cpu)
        self.note_sleepers(node)
        self.fill(node)
        return node.cpu

    cdef uint64_t asleep_now(self) noexcept nogil:
        """Who went on at the last place in an execution before, and commutes with what was taken there instead."""
        cdef node_t *before
        cdef pending_t other
        cdef uint64_t asleep, left
        cdef int cpu
        if self.step < 0:
            return 0
        before = &self.steps.nodes[self.step]
        asleep = (before.sleep | before.done) & ~bit(before.cpu)
        left = asleep
        while left != 0:
            cpu = lowest(left)
            left &= left - 1
            self.steps.as_taken(&other, &self.pending[cpu])
            if dependent(&before.step, &other):
                asleep &= ~bit(cpu)
        return asleep

    cdef uint64_t timed_now(self, uint64_t enabled) noexcept nogil:
        """Whose sleep has ended because time has passed: nobody else can go on, and not all were let go by the last step."""
        cdef node_t *before = &self.steps.nodes[max(0, self.step)]
        cdef uint64_t timed, left = enabled
        cdef const pending_t *pending
        cdef bint passed = False
        cdef int cpu
        if self.step < 0:
            return 0
        timed = before.timed & ~bit(before.cpu) & enabled
        while left != 0:
            cpu = lowest(left)
            left &= left - 1
            pending = &self.pending[cpu]
            if pending.kind != STEP_TICK and pending.kind != STEP_PARK:
                return timed
            if cpu != before.cpu and not before.enabled >> cpu & 1 and not dependent(&before.step, pending):
                passed = True
        return enabled if passed else timed

    cdef void note_sleepers(self, const node_t *node) noexcept nogil:
        """Whose time has passed at this place, and not before."""
        cdef uint64_t left = node.timed
        cdef int cpu
        if self.step >= 0:
            left &= ~self.steps.nodes[self.step].timed | bit(self.steps.nodes[self.step].cpu)
        while left != 0:
            cpu = lowest(left)
            left &= left - 1
            self.slept_until[cpu] = self.position

    cdef uint64_t hash_pending(self) noexcept nogil:
        cdef uint64_t hash = <uint64_t>0xCBF29CE484222325, what
        cdef int cpu
        for cpu in range(self.nr_cpus):
            what = self.pending[cpu].kind
            if what != STEP_END:
                what |= self.pending[cpu].object << 8 | <uint64_t>self.pending[cpu].access << 4
            hash = (hash ^ what) * <uint64_t>0x100000001B3
            hash ^= hash >> 29
        return hash

    cdef bint next_chance(self, uint32_t ppm) noexcept nogil:
        """First it does not happen, in a later execution it does."""
        cdef node_t *node
        if self.trouble != NONE:
            return False
        if self.position < self.steps.length:
            node = &self.steps.nodes[self.position]
            if not node.is_chance:
                self.trouble = OTHER_CHANCE
                return False
        else:
            if not self.steps.reserve(self.position + 2):
                self.trouble = NO_MEMORY
                return False
            node = &self.steps.nodes[self.position]
            self.steps.length += 1
            node.is_chance = True
            node.happens = False
        self.position += 1
        return node.happens

    cdef int next_choice(self, uint32_t n) noexcept nogil:
        return 0

    cdef void end_execution(self, uint64_t steps, bint complete) noexcept nogil:
        cdef int j
        cdef node_t *node
        self.executions += 1
        self.redundant += self.cut
        if self.trouble != NONE:
            return
        for j in range(self.steps.linked, self.steps.length):
            if not self.steps.nodes[j].is_chance:
                self.analyse(j)
            self.steps.link(j)
        self.longest = max(self.longest, self.steps.length)
        if complete:
            return
        self.blocked_too()
        if not self.cut:
            self.incomplete += 1
            if self.step >= 0:
                node = &self.steps.nodes[self.step]
                node.backtrack |= node.enabled

    cdef void analyse(self, int j) noexcept nogil:
        """Wherever step j is in a race, see to it that the other order comes too."""
        cdef int nr = self.steps.order(j), i
        cdef uint64_t initials, mine = bit(self.steps.nodes[j].cpu)
        cdef node_t *node
        self.races += nr
        for i in range(nr):
            node = &self.steps.nodes[self.steps.races[i].earlier]
            initials = self.steps.initials(&self.steps.races[i], j)
            if initials == 0 or initials & (node.backtrack | node.done | node.sleep) != 0:
                continue
            initials &= node.enabled
            if initials == 0:
                node.backtrack |= node.enabled
            else:
                node.backtrack |= mine if initials & mine else bit(lowest(initials))

    cdef void blocked_too(self) noexcept nogil:
        """Steps that were never taken, because their CPUs could not go on, have races like any other."""
        cdef int cpu, j = self.steps.length
        cdef node_t *node
        if not self.steps.reserve(j + 1):
            self.trouble = NO_MEMORY
            return
        node = &self.steps.nodes[j]
        for cpu in range(self.nr_cpus):
            if self.pending[cpu].kind == STEP_END or self.asleep >> cpu & 1:
                continue
            node.is_chance = False
            node.timed = 0
            node.cpu = cpu
            self.fill(node)
            self.analyse(j)

    def refusal(self) -> str:
        """Why the last answer was REFUSED."""
        return f"{TROUBLES[self.trouble]}, at step {self.position}"
