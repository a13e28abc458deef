"""PCT: strict random priorities, and depth - 1 random places where the CPU that would run falls below all others.

Paper: Burckhardt, Kothari, Musuvathi, Nagarakatte, "A randomized scheduler with probabilistic guarantees of finding
bugs" (ASPLOS 2010). Of n CPUs each gets one of the priorities d, d + 1, ..., d + n - 1 in a random order; d - 1 change
points are drawn from 1..k, and number i of them carries the value i < d. The enabled CPU of the highest priority runs;
the one that is about to take the step at a change point gets its value instead. A bug of depth d, one that d ordering
constraints suffice for, is found by an execution with a probability of 1/(n k^(d-1)) at least.

What is counted. A step is one where the scheduler is asked, that is where two CPUs or more are enabled; a demotion is
a step of its own, so that k is the largest number of steps of an execution, plus d - 1. The guarantee holds for this
count. A constraint says that a CPU waits before some instruction until all others wait or have gone by. Where that CPU
alone is enabled there is nobody to wait for, and the constraint holds by itself: its change point is not needed and may
lie at k, which is not reached when a demotion is missing. Every other one is a CPU that would run, is enabled beside
others, and has to be held back: a position of its own, since two demotions are never at one. So each set of
constraints has its k^(d-1)-th of the change points, and the CPU that is first held back is the lowest of n once in n.

Deviations. k is not known: it is the maximum over the complete executions so far, so the guarantee is that of the
executions `settled`, and of bugs that need no longer execution. Strict priorities starve whom a loop waits for: after
`fair_after` steps an execution goes on as a random walk, and steps from there on do not count.
"""
from libc.math cimport exp, log1p, pow
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from workers.schedulers.random_walk cimport RandomWalk
from workers.schedulers.schedule cimport mix64

cdef extern from *:
    bint unlikely(bint condition) nogil  # of Cython's own C: the branch lies aside

cdef uint64_t NEVER = <uint64_t>-1


cdef class PCT(RandomWalk):
    """Schedule number x of a seed is the same one whenever k is; k is when the same numbers are played in order.

    k: the first estimate, where earlier executions of the program are known.
    """

    def __init__(self, seed: int, depth: int = 3, k: int = 1, fair_after: int = 10_000) -> None:
        super().__init__(seed)
        if not 1 <= depth <= MAX_DEPTH:
            raise ValueError(f"depth {depth}: it is 1 to {MAX_DEPTH}")
        if not 1 <= k < 1 << 32 or not 1 <= fair_after < 1 << 31:
            raise ValueError(f"k {k} and fair_after {fair_after} are positive, and below 2**32 and 2**31")
        self.depth = depth
        self.k = max(k, depth)
        self.fair_after = fair_after

    cdef bint new_execution(self, uint64_t number) noexcept nogil:
        cdef int i, j
        self.state = mix64(self.seed + number) | 1
        for i in range(self.nr_cpus):
            j = <int>((self.draw() * <uint64_t>(i + 1)) >> 32)
            self.priority[i] = self.priority[j]
            self.priority[j] = <uint16_t>(self.depth + i)
        self.draw_change_points()
        self.asked = 0
        self.position = 0
        self.settled += 1
        return True

    cdef void draw_change_points(self) noexcept nogil:
        """Sorted as they are drawn: there are few."""
        cdef int i, j
        cdef uint64_t at
        for i in range(self.depth - 1):
            at = 1 + ((self.draw() * self.k) >> 32)
            j = i
            while j > 0 and self.change_at[j - 1] > at:
                self.change_at[j] = self.change_at[j - 1]
                self.change_to[j] = self.change_to[j - 1]
                j -= 1
            self.change_at[j] = at
            self.change_to[j] = <uint16_t>(i + 1)
        self.change_at[self.depth - 1] = NEVER
        self.passed = 0

    cdef int next_cpu(self, const uint8_t *enabled, int nr, int last) noexcept nogil:
        cdef int i, chosen = enabled[0]
        if nr == 1:
            return chosen
        if last < 0 and nr > self.n:
            self.n = nr
        self.asked += 1
        if unlikely(self.asked > self.fair_after):
            return RandomWalk.next_cpu(self, enabled, nr, last)
        for i in range(1, nr):
            if self.priority[enabled[i]] > self.priority[chosen]:
                chosen = enabled[i]
        self.position += 1
        if unlikely(self.position == self.change_at[self.passed]):
            return self.demote(enabled, nr, chosen)
        return chosen

    cdef int demote(self, const uint8_t *enabled, int nr, int chosen) noexcept nogil:
        """`chosen` is at a change point, and so may be who comes after it. Who runs at last."""
        cdef int i
        while self.position == self.change_at[self.passed]:
            while self.position == self.change_at[self.passed]:  # of several at one place the last counts
                self.priority[chosen] = self.change_to[self.passed]
                self.passed += 1
            for i in range(nr):
                if self.priority[enabled[i]] > self.priority[chosen]:
                    chosen = enabled[i]
            self.position += 1
        return chosen

    cdef void end_execution(self, uint64_t steps, bint complete) noexcept nogil:
        cdef uint64_t k = min(self.asked, self.fair_after) + self.depth - 1
        if complete and k > self.k:
            self.k = k
            self.settled = 0

    def missed(self, executions: int | None = None) -> float:
        """The probability, at most, that a bug of this depth is there and still not found: (1 - 1/(n k^(d-1)))^N.

        N: `executions`, all played with the present k; those that are `settled` when left out.
        """
        cdef double hit = 1.0 / (max(self.n, 1) * pow(<double>self.k, self.depth - 1))
        cdef double played = self.settled if executions is None else executions
        if played == 0:
            return 1.0
        return exp(played * log1p(-hit)) if hit < 1.0 else 0.0
