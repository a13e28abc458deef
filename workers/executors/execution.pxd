"""The engine of the cooperative executor: one thread, a stack for each CPU, and a scheduler asked at every point.

`point` is called on the stack of the CPU that runs, before its step takes effect. The step becomes that CPU's pending
one; a CPU whose pending step is enabled is chosen, and control passes to its stack. The decision is made on the stack
that gives control up, so that a CPU which is chosen again pays no switch.

    pending step      enabled when
    STEP_ACQUIRE      the lock's word is 0
    STEP_PARK         its CPU has a wake-up token, or its timeout is past in virtual time
    STEP_TICK         its time has come in virtual time
    STEP_END          never
    all others        always

Virtual time: one clock in ns. Each step costs STEP_NS, STEP_BUSY what it says. When nobody is enabled the clock jumps
to the earliest timer; when there is none and somebody has not ended, that is a deadlock.
"""
cimport cython
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from workers.executors.stacks cimport coro_stack, stack_entry
from workers.schedulers.schedule cimport Schedule

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
    int kind
    int access
    int cause  # of a park
    bint waited  # a decision found the pending step disabled

# Who keeps the steps of a replay: a task publishes its step (enabled 0), or is chosen among so many that are enabled.
ctypedef void (*step_witness)(void *watcher, int task, int enabled) noexcept nogil

@cython.final
cdef class Execution:
    cdef task_t *tasks
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
    cdef uint64_t chance
    cdef readonly uint64_t steps
    cdef readonly uint64_t step_limit
    cdef uint64_t hash
    cdef step_t *trace
    cdef uint8_t *choices
    cdef uint64_t nr_choices
    cdef uint64_t choice_room
    cdef step_witness witness  # NULL: nobody
    cdef void *watcher  # borrowed: first argument of witness

    cdef void place(self, char *base, uint64_t size) noexcept
    cdef int add_task(self, uint32_t *tokens) except -1
    cdef void use(self, Schedule schedule, uint64_t step_limit) except *
    cdef void begin(self, uint64_t number, uint64_t clock_ns) noexcept nogil
    cdef void start(self, int task, stack_entry entry, void *arg) noexcept nogil
    cdef int run(self) noexcept nogil
    cdef void point(self, int kind, void *obj, int access, uint64_t due_ns) noexcept nogil
    cdef void end_task(self) noexcept nogil
    cdef void break_off(self) noexcept nogil
    cdef int choose(self) noexcept nogil
    cdef int find_enabled(self, uint8_t *enabled) noexcept nogil
    cdef int ask(self, uint8_t *enabled, int nr) noexcept nogil
    cdef void note(self, int task, int nr) noexcept nogil
    cdef void keep_choice(self, uint8_t choice) noexcept nogil
    cdef str pending_told(self, int task)
