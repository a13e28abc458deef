"""One execution: its pending steps, its virtual clock, its choices, its end."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc

from shm.atomic cimport load32, load64
from shm.lock cimport lock_t
from workers.cpu cimport STEP_ACQUIRE, STEP_END, STEP_PARK, STEP_START, STEP_TICK, STEP_TRY
from workers.executors.gates cimport gate_t
from workers.executors.lasso cimport fingerprint, lasso_begin, lasso_head
from workers.executors.liveness cimport (
    count_passed, follow, head_of, in_circle, is_left_alone, somebody_can_go_on, was_fair,
)
from workers.executors.stacks cimport (
    STACK_BYTES, STACKS_BACKEND, stack_entry, stack_free, stack_make, stack_start, stack_switch,
)
from workers.schedulers.schedule cimport CUT, EVERYTHING, Schedule

from workers.lockdep import NAMES as LOCK_NAMES

cdef extern from *:
    bint unlikely(bint condition) nogil  # of Cython's own C: the branch lies aside

cdef enum:
    FIRST_CHOICES = 4096

cdef uint64_t NEVER = <uint64_t>-1

KINDS = ("start", "atomic", "acquire", "trylock", "release", "park", "tick", "busy", "end")
CAUSES = (
    "a cluster lock", "a folio lock", "a tick", "the device", "reclaim", "an mmap_lock", "a page table lock",
    "an event",
)
VERDICTS = (
    "running", "completed", "deadlock", "no progress", "diverged", "broken", "redundant", "partial deadlock", "livelock",
    "unfair", "lost wake-up",
)
STUCK = ("deadlock", "partial deadlock", "no progress", "livelock", "lost wake-up")  # verdicts that break L2
TICK_MODELS = ("time", "await", "any")


cdef class Execution:
    """Tasks are added once; each execution begins, starts its tasks, and runs. All of one thread."""

    def __cinit__(self):
        self.tasks = <task_t *>calloc(MAX_TASKS, sizeof(task_t))
        self.pending = <pending_t *>calloc(MAX_TASKS, sizeof(pending_t))
        self.gates = <gate_t *>calloc(MAX_TASKS, sizeof(gate_t))
        self.trace = <step_t *>calloc(TRACE_STEPS, sizeof(step_t))
        self.choices = <uint8_t *>realloc(NULL, FIRST_CHOICES)
        self.choice_room = FIRST_CHOICES
        self.current = -1
        if not self.tasks or not self.pending or not self.gates or not self.trace or not self.choices:
            raise MemoryError("no memory for an execution")

    def __dealloc__(self):
        cdef int i
        if self.tasks != NULL:
            for i in range(self.nr_tasks):
                stack_free(&self.tasks[i].stack)
        free(self.tasks)
        free(self.pending)
        free(self.gates)
        free(self.trace)
        free(self.choices)

    cdef void place(self, char *base, uint64_t size) noexcept:
        """Objects are told apart by their offsets from `base`: addresses differ from run to run."""
        self.base = base
        self.size = size

    cdef int add_task(self, uint32_t *tokens) except -1:
        """One more CPU; its number. `tokens` counts its wake-ups."""
        if self.nr_tasks == MAX_TASKS:
            raise ValueError(f"an execution has {MAX_TASKS} CPUs at most")
        if stack_make(&self.tasks[self.nr_tasks].stack, STACK_BYTES) != 0:
            raise MemoryError(f"no memory for the stack of cpu {self.nr_tasks}")
        self.tasks[self.nr_tasks].tokens = tokens
        self.nr_tasks += 1
        return self.nr_tasks - 1

    cdef void use(self, Schedule schedule, uint64_t step_limit) except *:
        """Ask `schedule` from now on, and give an execution up after `step_limit` steps."""
        self.schedule = schedule
        self.oracle = <void *>schedule
        self.every_step = schedule.every_step
        self.step_limit = step_limit
        schedule.pending = self.pending
        schedule.nr_cpus = self.nr_tasks
        schedule.base = self.base

    cdef bint begin(self, uint64_t number, uint64_t clock_ns) noexcept nogil:
        """Execution `number` at virtual time `clock_ns`, with no task started. What ran before is forgotten.

        False: the oracle has none left.
        """
        cdef int i, drawn
        if not (<Schedule>self.oracle).new_execution(number):
            return False
        self.clock_ns = clock_ns
        self.verdict = RUNNING
        self.current = -1
        self.steps = 0
        self.preemptions = 0
        self.hash = <uint64_t>0xCBF29CE484222325
        self.nr_choices = 0
        self.seed = 0
        lasso_begin(&self.lasso)
        self.contended = False
        self.sleepers = 0
        if self.tick_model == TICK_AWAIT:
            self.polled_at_start = fingerprint(&self.polled)
        for i in range(CHANCE_BYTES):
            drawn = (<Schedule>self.oracle).next_choice(256)
            if drawn < 0:
                self.verdict = DIVERGED
                drawn = 0
            self.keep_choice(<uint8_t>drawn)
            self.seed = self.seed << 8 | <uint64_t>drawn
        for i in range(self.nr_tasks):
            self.pending[i].kind = STEP_END
            self.pending[i].object = 0
            set_gate(self, i, STEP_END)
        return True

    cdef void start(self, int task, stack_entry entry, void *arg) noexcept nogil:
        """`entry(arg)` is what that task does; it calls end_task() last and never returns."""
        cdef task_t *t = &self.tasks[task]
        self.pending[task].kind = STEP_START
        self.pending[task].object = 0
        self.pending[task].access = 0
        t.obj = NULL
        t.due_ns = NEVER
        t.waited = False
        t.ticks = 0
        t.ran_at = 0
        set_gate(self, task, STEP_START)
        t.looked = self.polled_at_start
        stack_start(&t.stack, entry, arg)

    cdef int run(self) noexcept nogil:
        """Run to the end; the verdict. Context: no task runs; the caller's stack."""
        cdef int chosen = self.choose()
        if chosen >= 0:
            self.current = chosen
            stack_switch(&self.home, &self.tasks[chosen].stack)
        self.current = -1
        return self.verdict

    cdef void point(self, int kind, void *obj, int access, uint64_t due_ns) noexcept nogil:
        """Publish the running CPU's next step; returns when it is chosen. Context: on that CPU's stack.

        Outside of an execution there is nobody else: the step takes effect at once.
        """
        cdef int here = self.current, chosen
        cdef task_t *t = &self.tasks[here]
        cdef uint64_t offset
        if here < 0:
            return
        offset = <uint64_t>(<char *>obj - self.base)
        self.pending[here].object = offset if offset < self.size else 0
        self.pending[here].kind = kind
        self.pending[here].access = access
        t.obj = obj
        t.due_ns = due_ns
        t.waited = False
        set_gate(self, here, kind)
        if kind == STEP_ACQUIRE:
            t.passed = 0
            if load64(&(<lock_t *>obj).word) != 0 and self.verdict == RUNNING and in_circle(self, here):
                self.verdict = PARTIAL_DEADLOCK if somebody_can_go_on(self) else DEADLOCK
        elif kind == STEP_TICK and self.tick_model == TICK_AWAIT:
            self.pending[here].object = EVERYTHING
        if unlikely(self.witness != NULL):
            self.witness(self.watcher, here, 0)
        chosen = self.choose()
        if chosen != here:
            self.current = chosen
            stack_switch(&t.stack, &self.home if chosen < 0 else &self.tasks[chosen].stack)
        if kind == STEP_ACQUIRE or kind == STEP_PARK or kind == STEP_TICK:
            self.goes_on(here, kind)

    cdef inline void goes_on(self, int task, int kind) noexcept nogil:
        """That task was chosen, and its wait is over."""
        if kind != STEP_ACQUIRE:
            self.sleepers -= kind == STEP_TICK or self.tasks[task].due_ns != NEVER
            self.wake_up(task)
        elif self.contended:
            count_passed(self, task)

    cdef void end_task(self) noexcept nogil:
        """The running CPU has done its work. Never returns."""
        self.point(STEP_END, NULL, 0, NEVER)

    cdef void break_off(self) noexcept nogil:
        """The running CPU has seen a law broken: what follows means nothing. Never returns."""
        self.verdict = BROKEN
        self.point(STEP_END, NULL, 0, NEVER)

    cdef bint chance(self, uint32_t ppm) noexcept nogil:
        """Whether something of that probability happens to the running CPU; the oracle says so, unless it is certain."""
        cdef bint happens
        if ppm == 0 or ppm >= 1000000:
            return ppm != 0
        happens = (<Schedule>self.oracle).next_chance(ppm)
        if self.current >= 0:
            self.keep_choice(happens)
        return happens

    cdef bint is_disabled(self, int task) noexcept nogil:
        cdef task_t *t = &self.tasks[task]
        cdef int kind = self.pending[task].kind
        if kind == STEP_ACQUIRE:
            return load64(&(<lock_t *>t.obj).word) != 0
        if kind == STEP_PARK:
            return load32(t.tokens) == 0 and t.due_ns > self.clock_ns and (
                self.tick_model != TICK_ANY or t.due_ns == NEVER)
        if kind == STEP_TICK:
            return t.due_ns > self.clock_ns and self.tick_model != TICK_ANY and (
                self.tick_model == TICK_TIME or t.looked == fingerprint(&self.polled))
        return False

    cdef int find_enabled(self, uint8_t *enabled) noexcept nogil:
        """Fill `enabled` with the tasks that can go on; how many. Jumps the clock when only timers are left."""
        cdef int i, nr = 0
        cdef task_t *t
        cdef uint64_t earliest
        while True:
            earliest = NEVER
            self.current_goes_on = False
            for i in range(self.nr_tasks):
                if self.pending[i].kind == STEP_END:
                    continue
                if self.pending[i].kind >= STEP_ACQUIRE and self.is_disabled(i):
                    t = &self.tasks[i]
                    t.waited = self.contended = True
                    t.ran_at = self.steps
                    if t.due_ns < earliest:
                        earliest = t.due_ns
                    continue
                enabled[nr] = <uint8_t>i
                nr += 1
                self.current_goes_on |= i == self.current
            if nr > 0 or earliest == NEVER:
                return nr
            if self.liveness and is_left_alone(self):
                self.verdict = LOST_WAKEUP
                return 0
            self.clock_ns = earliest

    cdef inline int choose(self) noexcept nogil:
        """The task that goes on, -1 when the execution is over: then the verdict stands."""
        cdef uint8_t enabled[MAX_TASKS]
        cdef int nr, chosen = -1
        if self.verdict != RUNNING:
            return -1
        nr = self.find_enabled(enabled) if self.sleepers else find_open(self, enabled)
        if nr == 0:
            return self.judge_idle()
        if self.steps >= self.step_limit:
            self.verdict = NO_PROGRESS if was_fair(self) else UNFAIR
            return -1
        if unlikely(self.lasso.length != 0):
            chosen = follow(self, enabled, nr)
            if self.verdict != RUNNING:
                return -1
        if chosen < 0:
            chosen = enabled[0] if nr == 1 and not self.every_step else self.ask(enabled, nr)
        if chosen >= 0:
            self.note(chosen, nr)
        return chosen

    cdef int judge_idle(self) noexcept nogil:
        """Nobody can go on: that is the end, or a deadlock. -1."""
        cdef int i
        if self.verdict == RUNNING:
            self.verdict = COMPLETED
            for i in range(self.nr_tasks):
                if self.pending[i].kind != STEP_END:
                    self.verdict = DEADLOCK
        return -1

    cdef inline int ask(self, uint8_t *enabled, int nr) noexcept nogil:
        cdef int chosen = (<Schedule>self.oracle).next_cpu(enabled, nr, self.current)
        if chosen < 0:
            self.verdict = REDUNDANT if chosen == CUT else DIVERGED
            return -1
        if nr > 1:
            self.keep_choice(<uint8_t>chosen)
            self.preemptions += chosen != self.current and self.current_goes_on
        return chosen

    cdef inline void note(self, int task, int nr) noexcept nogil:
        """That task's pending step happens now: trace, hash, clock."""
        cdef task_t *t = &self.tasks[task]
        cdef pending_t *p = &self.pending[task]
        cdef step_t *s
        cdef uint64_t offset = p.object if p.object != EVERYTHING else 0
        if unlikely(self.witness != NULL):
            self.witness(self.watcher, task, nr)
        if self.steps < TRACE_STEPS:
            s = &self.trace[self.steps]
            s.at_ns = self.clock_ns
            s.object = <uint32_t>offset
            s.cpu = <uint8_t>task
            s.kind = <uint8_t>p.kind
            s.access = <uint8_t>p.access
            s.enabled = <uint8_t>nr
        self.hash = (self.hash ^ (offset << 24 | p.kind << 16 | p.access << 8 | task)) * <uint64_t>0x100000001B3
        self.hash ^= self.hash >> 29
        if unlikely(self.liveness) and self.lasso.length == 0 and (
                p.kind == STEP_TICK or p.kind == STEP_PARK or p.kind == STEP_TRY):
            lasso_head(&self.lasso, head_of(self, task), self.steps)
        t.ran_at = self.steps
        self.steps += 1
        self.clock_ns += STEP_NS

    cdef void wake_up(self, int task) noexcept nogil:
        """That task's sleep ends. Before its time, if the model of the tick allows it: the time has passed all the same."""
        cdef task_t *t = &self.tasks[task]
        if self.tick_model == TICK_ANY and t.due_ns != NEVER and t.due_ns > self.clock_ns - STEP_NS and (
                self.pending[task].kind == STEP_TICK or load32(t.tokens) == 0):
            self.clock_ns = t.due_ns + STEP_NS  # it went on when that was past, and its step has counted already
        if self.pending[task].kind == STEP_TICK:
            t.ticks += 1
            if t.ticks > self.most_ticks:
                self.most_ticks = t.ticks
            if self.tick_model == TICK_AWAIT:
                t.looked = fingerprint(&self.polled)

    cdef inline void keep_choice(self, uint8_t choice) noexcept nogil:
        """Append to the recording. Without memory it stays too short, and a replay says that it ends early."""
        cdef uint8_t *more
        if self.nr_choices == self.choice_room:
            more = <uint8_t *>realloc(self.choices, self.choice_room * 2)
            if more == NULL:
                return
            self.choices = more
            self.choice_room *= 2
        self.choices[self.nr_choices] = choice
        self.nr_choices += 1

    def recording(self) -> str:
        """The choices of the last execution as hex: what the replay scheduler takes."""
        return (<bytes>self.choices[:self.nr_choices]).hex()

    def recording_bytes(self) -> int:
        """How many choices the last execution has recorded."""
        return self.nr_choices

    def verdict_text(self) -> str:
        """How the last execution ended."""
        if self.verdict == DIVERGED:
            return f"diverged at step {self.steps}: {self.schedule.refusal()}"
        return VERDICTS[self.verdict]

    def trace_bytes(self) -> bytes:
        """The steps of the last execution, 16 bytes each (step_t): equal executions have equal ones."""
        cdef uint64_t kept = min(self.steps, <uint64_t>TRACE_STEPS)
        return (<bytes>(<char *>self.trace)[:kept * sizeof(step_t)])

    def trace_told(self, last: int | None = None) -> list[str]:
        """The steps of the last execution, or its `last` ones, as lines: step, ns, CPU, what, object."""
        cdef uint64_t kept = min(self.steps, <uint64_t>TRACE_STEPS), i
        lines = []
        for i in range(max(0, kept - last) if last is not None else 0, kept):
            step = self.trace[i]
            where = f" +{step.object:#x}" if step.object else ""
            lines.append(f"{i} {step.at_ns} cpu{step.cpu} {KINDS[step.kind]}{where}")
        return lines

    def waiting_told(self) -> str:
        """The wait-for graph: each CPU that has not ended, what it waits for, and who holds that."""
        cdef int i
        told = []
        for i in range(self.nr_tasks):
            if self.pending[i].kind != STEP_END:
                told.append(f"cpu {i} {self.pending_told(i)}")
        return "; ".join(told)

    cdef str pending_told(self, int task):
        cdef task_t *t = &self.tasks[task]
        cdef int kind = self.pending[task].kind
        cdef uint64_t offset = <uint64_t>(<char *>t.obj - self.base)
        cdef uint64_t word
        if kind == STEP_ACQUIRE:
            word = load64(&(<lock_t *>t.obj).word)
            holder = f"held by cpu {(word & 0xFF) - 1}" if word else "free"
            return f"waits for lock {LOCK_NAMES[(<lock_t *>t.obj).cls]} at +{offset:#x}, {holder}"
        if kind == STEP_PARK:
            return f"is parked for {CAUSES[t.cause]}, and nobody wakes it"
        if kind == STEP_TICK:
            return "sleeps one tick"
        return f"is at step {KINDS[kind]}"


def backend() -> str:
    """How stacks are switched: x86-64 or setjmp."""
    return STACKS_BACKEND.decode()
