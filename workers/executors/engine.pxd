"""Exploration: the same few operations again and again from the same state, each time in another interleaving.

An `Engine` owns a private segment, its CPUs and one pristine copy. A schedule is: copy back, run every body to its end
under the scheduler, look whether the state that is left is legal. Schedules run in batches without the GIL.
"""
from libc.stdint cimport uint32_t, uint64_t
from shm.layout cimport layout_t, wait_queue
from workers.cpu cimport Cpu
from workers.executors.cooperative_cpu cimport CooperativeCpu
from workers.executors.execution cimport Execution
from workers.executors.sound_states cimport SoundStates
from workers.schedulers.schedule cimport Schedule

cdef class Body:
    """What a CPU does in one schedule. Runs on a stack of its own, without the GIL."""
    cdef void run(self, Cpu cpu) noexcept nogil

cdef class Judge:
    """Whether a state is legal. Asked at rest, and when `every_unlock` also whenever a cluster, a folio or a page table is
    about to be unlocked, and when a step has warned."""
    cdef bint every_unlock
    cdef bint at_rest(self, layout_t *m) noexcept nogil
    cdef bint under_lock(self, layout_t *m, uint32_t device, uint64_t cluster) noexcept nogil
    cdef bint under_folio_lock(self, layout_t *m, uint32_t pfn) noexcept nogil
    cdef bint under_page_table_lock(self, layout_t *m, uint32_t mm, uint64_t first, uint64_t end) noexcept nogil
    cdef bint at_warning(self, layout_t *m, int warning) noexcept nogil
    cdef bint goes_by_state(self) noexcept nogil  # whether the answer at rest follows from memory, where no step has warned
    cdef bint has_known(self, layout_t *m) noexcept nogil  # whether a law is known to be broken here

cdef struct seat_t:  # a task's work; borrowed from the lists of the engine
    void *body
    void *cpu
    void *execution

cdef class Engine:
    cdef object buf  # the segment: writable, page aligned, private
    cdef Py_buffer view
    cdef bint viewed
    cdef layout_t m
    cdef readonly Execution execution
    cdef readonly list cpus
    cdef list bodies
    cdef readonly Judge judge
    cdef seat_t *seats
    cdef char *pristine  # control, then each CPU's block up to its statistics and its gauges, then the resettable part
    cdef uint64_t end  # of what is copied
    cdef uint64_t clock_ns  # virtual time at which every schedule begins
    cdef public bint delayed_stores  # marked stores may be seen late; from the next use() on
    cdef readonly uint64_t hash  # over all schedules
    cdef readonly uint64_t steps
    cdef readonly uint64_t redundant  # schedules that the oracle has cut
    cdef readonly uint64_t unfair  # schedules over the step limit in which a CPU was left out: they show nothing
    cdef readonly bint exhausted  # the oracle has no further schedule
    cdef bint last_legal
    cdef SoundStates sound
    cdef public bint judge_each  # ask the judge of each state at rest, also of one that it has found legal
    cdef readonly uint64_t judged  # states at rest that it was asked of

    cdef void capture(self) except *
    cdef void seat(self, list bodies) except *
    cdef void reset(self) noexcept nogil
    cdef bint play(self, uint64_t number, bint by_chance) noexcept nogil
    cdef bint legal(self) noexcept nogil
    cdef bint is_sound(self) noexcept nogil
    cdef bint warned(self) noexcept nogil
    cdef const wait_queue *pristine_queues(self) noexcept nogil
    cdef uint64_t batch(self, uint64_t first, uint64_t nr) noexcept nogil
