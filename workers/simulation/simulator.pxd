"""Prices and queues on the clocks.

A lock that is held is left by the heap: its waiter joins the queue of that lock, first come first served, and the release
hands the lock over (as a qspinlock does). The queue's ends lie in the lock's own line, in words that no other executor uses
while a simulation runs: `waiters` the first CPU + 1, `pending` the last.
"""
cimport cython
from libc.stdint cimport uint32_t, uint64_t
from shm.lock cimport NR_LOCK_CLASSES, lock_t
from workers.simulation.clocks cimport Clocks
from workers.simulation.lines cimport line_t

cdef struct lock_stat_t:
    uint64_t acquired
    uint64_t waited
    uint64_t total_ns
    uint64_t max_ns

@cython.final
cdef class Simulator(Clocks):
    cdef line_t *lines
    cdef lock_stat_t locks[NR_LOCK_CLASSES]
    cdef lock_stat_t *clusters
    cdef uint64_t nr_clusters
    cdef readonly uint64_t accesses  # sections of a page-table lock without a step

    cdef void atomic(self, uint32_t cpu, uint64_t offset, int access, uint64_t more) noexcept nogil
    cdef uint64_t lock_line(self, uint32_t cpu, lock_t *l) noexcept nogil
    cdef bint attempt(self, uint32_t cpu, lock_t *l, uint64_t word) noexcept nogil
    cdef void hand_over(self, uint32_t cpu, lock_t *l) noexcept nogil
    cdef uint64_t handover_cost(self, uint32_t cpu, uint32_t heir, lock_t *l) noexcept nogil
    cdef uint64_t write_line(self, uint32_t cpu, uint64_t offset) noexcept nogil
    cdef bint take(self, uint32_t cpu, lock_t *l, uint64_t word) noexcept nogil
    cdef void give(self, uint32_t cpu, lock_t *l) noexcept nogil
    cdef bint sleep(self, uint32_t cpu, uint64_t due_ns) noexcept nogil
    cdef void wake(self, uint32_t cpu, uint32_t target) noexcept nogil
