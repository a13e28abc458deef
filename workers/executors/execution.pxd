"""The engine of the cooperative executor: one thread, a stack for each CPU, and a scheduler asked at every point.

`point` is called on the stack of the CPU that runs, before its step takes effect. The step becomes that CPU's pending
one; a CPU whose pending step is enabled is chosen, and control passes to its stack. The decision is made on the stack
that gives control up, so that a CPU which is chosen again pays no switch.

    pending step      enabled when
    STEP_ACQUIRE      the lock's word is 0
    STEP_PARK         its CPU has a wake-up token, or its timeout is past in virtual time
    STEP_TICK         by the model of the tick: its time has come in virtual time (TICK_TIME), something that it may
                      poll for has changed since it last looked (TICK_AWAIT), or always (TICK_ANY)
    STEP_END          never
    all others        always

Virtual time: one clock in ns. Each step costs STEP_NS, STEP_BUSY what it says. When nobody is enabled the clock jumps
to the earliest timer; when there is none and somebody has not ended, that is a deadlock. A sleep that ends before its
time takes the clock there under TICK_ANY: the others were slow. Under TICK_AWAIT it does not: who else sleeps is not let on
by it.
"""
cimport cython
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from shm.lock cimport NR_LOCK_CLASSES, lock_t
from workers.cpu cimport STEP_ACQUIRE, STEP_END, STEP_PARK, STEP_TICK
from workers.executors.gates cimport gate_t, is_open
from workers.executors.lasso cimport lasso_t, regions_t
from workers.executors.stacks cimport coro_stack, stack_entry
from workers.schedulers.schedule cimport Schedule, pending_t

cdef enum:
    STEP_NS = 5  # about an uncontended atomic
    MAX_TASKS = 80  # CPU blocks of a segment
    CHANCE_BYTES = 8  # of a recording: they seed the CPUs' random numbers
    TRACE_STEPS = 1 << 16  # steps of an execution that are kept; later ones count and enter the hash

cdef enum:  # verdict
    RUNNING = 0
    COMPLETED  # every CPU came to its end
    DEADLOCK  # nobody can go on, and no timer is pending
    NO_PROGRESS  # more steps than the limit
    DIVERGED  # the oracle refused
    BROKEN  # a law did not hold in the middle: break_off()
    REDUNDANT  # the oracle has cut it: it shows nothing new
    PARTIAL_DEADLOCK  # some wait for each other in a circle, while others could go on
    LIVELOCK  # the same steps again and again, and nobody comes to the end of an operation
    UNFAIR  # more steps than the limit, in which somebody who could have gone on was not let: it says nothing
    LOST_WAKEUP  # a sleeper on a wait queue is left to its timeout: nobody is there who could wake it

cdef enum:  # tick model
    TICK_TIME = 0
    TICK_AWAIT
    TICK_ANY

cdef struct step_t:
    uint64_t at_ns
    uint32_t object  # offset in the segment, 0: outside
    uint8_t cpu
    uint8_t kind
    uint8_t access
    uint8_t enabled  # how many CPUs could have gone on

cdef struct task_t:
    coro_stack stack
    void *obj
    uint32_t *tokens  # wake-up tokens of its CPU
    uint64_t due_ns
    uint64_t looked  # TICK_AWAIT: fingerprint of what is polled for when the CPU last began to look
    int cause  # of a park
    bint waited  # a decision found the pending step disabled
    uint32_t passed  # how often others took the lock that it waits for
    uint32_t ticks  # slept in this execution
    uint64_t ran_at  # number of the last step that it took, or could not have taken

# Who keeps the steps of a replay: a task publishes its step (enabled 0), or is chosen among so many that are enabled.
ctypedef void (*step_witness)(void *watcher, int task, int enabled) noexcept nogil

@cython.final
cdef class Execution:
    cdef task_t *tasks
    cdef pending_t *pending  # by task
    cdef gate_t *gates  # by task
    cdef uint32_t zero  # the word of who waits for nothing, or for ever
    cdef int sleepers  # tasks whose pending step has a time
    cdef readonly int nr_tasks
    cdef int stacks_made
    cdef coro_stack home
    cdef void *oracle  # borrowed from `schedule`: a C method called without the GIL
    cdef Schedule schedule
    cdef char *base
    cdef uint64_t size
    cdef uint64_t clock_ns
    cdef int current  # task that runs, -1: none
    cdef int verdict
    cdef uint64_t seed  # of the CPUs' random numbers
    cdef readonly uint64_t steps
    cdef readonly uint32_t preemptions  # switches away from a CPU that could have gone on
    cdef readonly uint64_t step_limit
    cdef uint64_t hash
    cdef step_t *trace
    cdef uint8_t *choices
    cdef uint64_t nr_choices
    cdef uint64_t choice_room
    cdef step_witness witness  # NULL: nobody
    cdef void *watcher  # borrowed: first argument of witness
    cdef public int tick_model
    cdef public bint liveness  # look for livelocks and lost wake-ups
    cdef bint every_step
    cdef bint current_goes_on  # whether the running CPU could go on at this decision
    cdef bint contended  # in this execution a decision has found a lock held that somebody waits for
    cdef uint64_t queues  # wait queues whose lock was taken since the segment was last as it was; a bit each
    cdef uint64_t polled_at_start  # TICK_AWAIT: fingerprint of what is polled for when the execution began
    cdef regions_t polled  # what a sleeper may poll for
    cdef lasso_t lasso
    cdef uint32_t most_passed[NR_LOCK_CLASSES]
    cdef uint32_t most_ticks

    cdef void place(self, char *base, uint64_t size) noexcept
    cdef int add_task(self, uint32_t *tokens) except -1
    cdef void use(self, Schedule schedule, uint64_t step_limit) except *
    cdef bint begin(self, uint64_t number, uint64_t clock_ns) noexcept nogil
    cdef void start(self, int task, stack_entry entry, void *arg) noexcept nogil
    cdef int run(self) noexcept nogil
    cdef void point(self, int kind, void *obj, int access, uint64_t due_ns) noexcept nogil
    cdef void end_task(self) noexcept nogil
    cdef void break_off(self) noexcept nogil
    cdef int choose(self) noexcept nogil
    cdef bint chance(self, uint32_t ppm) noexcept nogil
    cdef bint is_disabled(self, int task) noexcept nogil
    cdef int judge_idle(self) noexcept nogil
    cdef int find_enabled(self, uint8_t *enabled) noexcept nogil
    cdef void goes_on(self, int task, int kind) noexcept nogil
    cdef void wake_up(self, int task) noexcept nogil
    cdef int ask(self, uint8_t *enabled, int nr) noexcept nogil
    cdef void note(self, int task, int nr) noexcept nogil
    cdef void keep_choice(self, uint8_t choice) noexcept nogil
    cdef str pending_told(self, int task)

cdef inline void set_gate(Execution e, int task, int kind) noexcept nogil:
    """What the step that `task` publishes waits for."""
    cdef gate_t *gate = &e.gates[task]
    gate.word = &e.zero
    gate.opens_by_one = 0
    if kind == STEP_ACQUIRE:
        gate.word = <uint32_t *>&(<lock_t *>e.tasks[task].obj).word
    elif kind == STEP_PARK or kind == STEP_TICK:
        gate.word = e.tasks[task].tokens
        gate.opens_by_one = 1
        e.sleepers += kind == STEP_TICK or e.tasks[task].due_ns != <uint64_t>-1
    elif kind == STEP_END:
        gate.opens_by_one = 1

cdef inline int find_open(Execution e, uint8_t *enabled) noexcept nogil:
    """Execution.find_enabled where no pending step has a time."""
    cdef int i, nr = 0, nr_tasks = e.nr_tasks
    cdef const gate_t *gates = e.gates
    cdef bint open
    for i in range(nr_tasks):
        open = is_open(&gates[i])
        enabled[nr] = <uint8_t>i
        nr += open
        if not open:
            e.tasks[i].waited = True
            e.tasks[i].ran_at = e.steps
            e.contended |= gates[i].opens_by_one == 0
    e.current_goes_on = e.current >= 0 and is_open(&gates[e.current])
    return nr
