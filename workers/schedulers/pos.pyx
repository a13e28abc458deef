"""POS: each pending step has a random priority; the highest is taken, and the steps that raced with it draw again.

Paper: Yuan, Yang, Gu, "Partial order aware concurrency sampling" (CAV 2018). The order of two independent steps is
decided once, by priorities that stay; of two that race, the loser forgets that it lost, and the next race is fair.
Schedules that differ in the order of independent steps alone share their probability, and rare partial orders gain.

A race is `dependent()`: same object, not two reads, not two commuting adds. Deviation: none. Where one CPU alone is
enabled the scheduler is not asked, and need not be: such a step races with none that is enabled, and the priority of a
CPU that has not been compared since it was drawn is as good as a new one.
"""
from libc.stdint cimport uint8_t, uint64_t

from workers.schedulers.random_walk cimport RandomWalk
from workers.schedulers.schedule cimport dependent, mix64


cdef class POS(RandomWalk):
    """Schedule number x of a seed is always the same one, whatever ran before it."""

    cdef bint new_execution(self, uint64_t number) noexcept nogil:
        cdef int i
        self.state = mix64(self.seed + number) | 1
        for i in range(self.nr_cpus):
            self.priority[i] = self.draw()
        return True

    cdef int next_cpu(self, const uint8_t *enabled, int nr, int last) noexcept nogil:
        cdef int i, chosen = enabled[0]
        for i in range(1, nr):
            if self.priority[enabled[i]] > self.priority[chosen]:
                chosen = enabled[i]
        self.priority[chosen] = self.draw()  # of its next step
        for i in range(nr):
            if enabled[i] != chosen and dependent(&self.pending[enabled[i]], &self.pending[chosen]):
                self.priority[enabled[i]] = self.draw()
        return chosen
