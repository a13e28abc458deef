"""The loop of virtual time: a clock and a stack a CPU, a binary heap of clocks, and the queues of locks.

    event = (time, cpu, seq)    the least one is next; nothing else is ever compared

A CPU takes a step when its clock is the least of all. The step takes effect then; its cost moves that CPU's clock on, and
the CPU runs to its next step. seq is the number of the event of its CPU: a CPU has one event at a time, so time and CPU
decide, and the heap keeps both in one word:

    63                        16 15         0
    +--------------------------+------------+
    | virtual ns (78 hours)    | CPU        |
    +--------------------------+------------+
"""
from libc.stdint cimport uint32_t, uint64_t
from shm.layout cimport layout_t
from shm.lock cimport lock_t
from shm.vmstat cimport NR_EVENTS
from workers.cpu cimport NR_STEPS
from workers.executors.stacks cimport coro_stack, stack_entry
from workers.simulation.costs cimport costs_t

cdef enum:
    CPU_BITS = 16
    NO_CPU = 0xFFFF
    INTERRUPT_LATE_NS = 100000  # beyond that the CPU was asleep, and nothing was taken from it
    SAME_TIME_LIMIT = 100000  # events of one CPU at one time: a loop that costs nothing

cdef enum:  # sim_state
    SIM_IDLE = 0  # not started, or at its end
    SIM_READY  # runs, or is in the heap
    SIM_QUEUED  # waits for a lock
    SIM_PARKED  # sleeps; in the heap if with a timeout

cdef enum:  # sim_verdict
    SIM_RUNNING = 0
    SIM_COMPLETED
    SIM_DEADLOCK  # nobody can go on, somebody has not ended
    SIM_NO_PROGRESS  # stopped long ago, and somebody has not ended
    SIM_STILL  # a loop that costs no time

cdef struct sim_task_t:
    coro_stack stack
    uint64_t clock_ns
    uint64_t seq
    uint64_t noise
    uint64_t group  # its bit in a line's copies
    uint64_t near  # bits of the groups of its socket
    uint64_t tick_offset
    uint64_t asleep_at
    uint64_t still_at
    uint64_t interrupt_at
    uint32_t still
    uint32_t heap_at  # place in the heap + 1, 0: not in it
    uint32_t next_waiter  # CPU + 1
    uint32_t lru_left  # transfers of the lruvec lock until the next that is charged
    uint32_t charge_left
    int state
    lock_t *bare  # a page-table lock just taken: nobody has run since, so nothing is charged yet

cdef class Clocks:
    cdef object buf
    cdef Py_buffer view
    cdef bint viewed
    cdef layout_t m
    cdef costs_t costs
    cdef sim_task_t *tasks
    cdef readonly uint32_t nr_tasks
    cdef uint32_t alive
    cdef coro_stack home
    cdef uint32_t current  # NO_CPU: none
    cdef uint64_t *heap
    cdef uint32_t nr_heap
    cdef int verdict
    cdef uint64_t stop_ns  # the stop word is set at the first event from here on
    cdef uint64_t give_up_ns
    cdef bint stopped
    cdef uint64_t pause_at  # number of events at which run() returns
    cdef readonly uint64_t events
    cdef readonly uint64_t now_ns
    cdef uint64_t hash
    cdef uint64_t at_stop[NR_EVENTS]
    cdef uint64_t steps[NR_STEPS]

    cdef void interrupt(self, sim_task_t *t) noexcept nogil
    cdef void start(self, uint32_t cpu, stack_entry entry, void *arg) noexcept nogil
    cdef void run(self, uint64_t events) noexcept nogil
    cdef void turn(self, uint32_t cpu, int kind, uint64_t offset) noexcept nogil
    cdef void end_task(self, uint32_t cpu) noexcept nogil
    cdef void pass_time(self, sim_task_t *t, uint64_t cost) noexcept nogil
    cdef void push(self, uint32_t cpu) noexcept nogil
    cdef void remove(self, uint32_t cpu) noexcept nogil
    cdef uint32_t pop(self) noexcept nogil
    cdef void sift_up(self, uint32_t at, uint64_t key) noexcept nogil
    cdef void sift_down(self, uint32_t at, uint64_t key) noexcept nogil
    cdef void switch_to_next(self, uint32_t cpu) noexcept nogil
    cdef void give_up(self, uint32_t cpu, int verdict) noexcept nogil
    cdef void others_first(self, uint32_t cpu, uint64_t key) noexcept nogil
    cdef void stop(self) noexcept nogil
    cdef void settle(self, uint32_t cpu) noexcept nogil

cdef inline uint64_t next_noise(sim_task_t *t) noexcept nogil:
    """splitmix64 on the CPU's own state: the workload's random numbers are not touched."""
    cdef uint64_t x
    t.noise += <uint64_t>0x9E3779B97F4A7C15
    x = (t.noise ^ (t.noise >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    return x ^ (x >> 31)
