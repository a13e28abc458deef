"""All schedules of something small, or those of a reduction, and what they come to: which classes, which final states.

Two executions are of one class when they take the same steps and order those alike that depend on each other. The hash of
a class is the sum, over its steps, of a hash of the step and its vector clock. It is made here from the pairs of steps,
all of them, with nothing of workers/schedulers/executed_steps.pyx. Executions of one class must end in one state: where
they do not, a step has touched what it did not declare.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from shm.atomic cimport load32, load64, load_i32
from shm.layout cimport control_t, percpu_of
from shm.lock cimport lock_t
from shm.percpu cimport percpu_t
from shm.vmstat cimport NR_GAUGES
from workers.cpu cimport ADDS, READS, STEP_END, STEP_PARK, STEP_TICK, STEP_TRY, WRITES
from workers.executors.engine cimport Engine
from workers.executors.execution cimport Execution, task_t
from workers.executors.lasso cimport fingerprint
from workers.executors.script cimport Machine
from workers.schedulers.schedule cimport EVERYTHING, REFUSED, Schedule, dependent, mix64, pending_t

import time
from dataclasses import dataclass
from functools import partial

from workers.executors.execution import TICK_MODELS, VERDICTS
from workers.executors.script import Machine as ScriptMachine
from workers.schedulers.random_walk import RandomWalk
from workers.schedulers.source_dpor import SourceDpor

STEP_LIMIT = 2_000
KEPT_RECORDINGS = 20_000


@dataclass(frozen=True)
class Interleavings:
    """`classes`: hash of the class -> hash of the state it ends in; `recordings`: hash of the class -> choices of one of its
    executions. `ambiguous`: pairs of recordings of one class with different ends; `unrepeatable`: executions that went
    otherwise when played again; `steps` of all."""

    executions: int
    redundant: int
    exhausted: bool
    classes: dict
    recordings: dict
    ambiguous: list
    unrepeatable: int
    verdicts: dict
    steps: int
    seconds: float

    @property
    def states(self) -> set:
        """Final states, each once."""
        return set(self.classes.values())


cdef class AllSchedules(Schedule):
    """Depth first; everybody who can go on, everywhere."""

    def __init__(self) -> None:
        self.every_step = True

    cdef bint new_execution(self, uint64_t number) noexcept nogil:
        self.position = 0
        if not self.begun:
            self.begun = True
            return True
        while self.length > 0 and self.untried[self.length - 1] == 0:
            self.length -= 1
        return self.length > 0

    cdef int answer(self, uint64_t choices) noexcept nogil:
        """The first time the least of `choices`, then the next one where an execution is to be another."""
        cdef int at = self.position, i = 0
        if at == MOST_STEPS:
            return REFUSED
        if at == self.length:
            self.untried[at] = choices
        if at >= self.length - 1 and self.untried[at] != 0:
            while not self.untried[at] >> i & 1:
                i += 1
            self.untried[at] &= self.untried[at] - 1
            self.taken[at] = <uint8_t>i
        self.length = max(self.length, at + 1)
        self.position += 1
        return self.taken[at]

    cdef int next_cpu(self, const uint8_t *enabled, int nr, int last) noexcept nogil:
        cdef uint64_t choices = 0
        cdef int i
        for i in range(nr):
            choices |= <uint64_t>1 << enabled[i]
        return self.answer(choices)

    cdef bint next_chance(self, uint32_t ppm) noexcept nogil:
        return self.answer(3) == 1

    cdef int next_choice(self, uint32_t n) noexcept nogil:
        return 0


cdef class ClassRecorder(Schedule):
    """Passes every question on to `inner`, and keeps what is taken."""

    def __cinit__(self):
        self.clocks = <uint64_t *>calloc(MOST_STEPS * MOST_CPUS, sizeof(uint64_t))
        if self.clocks == NULL:
            raise MemoryError("no memory for vector clocks")

    def __init__(self, inner: Schedule, execution: Execution) -> None:
        self.inner = inner
        self.asked = <void *>inner
        self.execution = execution
        self.every_step = True

    def __dealloc__(self):
        free(self.clocks)

    cdef bint new_execution(self, uint64_t number) noexcept nogil:
        cdef int c
        (<Schedule>self.asked).pending = self.pending
        (<Schedule>self.asked).nr_cpus = self.nr_cpus
        (<Schedule>self.asked).base = self.base
        self.position = 0
        self.nr_steps = 0
        self.pendings = 0
        for c in range(MOST_CPUS):
            self.nr_of_cpu[c] = 0
            self.slept_until[c] = 0
        if self.again:
            return True
        self.nr_answers = 0
        return (<Schedule>self.asked).new_execution(number)

    cdef int keep_answer(self, int answer) noexcept nogil:
        if answer < 0 or self.nr_answers == MOST_STEPS:
            return answer if answer < 0 else REFUSED
        self.answers[self.nr_answers] = <uint8_t>answer
        self.nr_answers += 1
        return answer

    cdef int next_cpu(self, const uint8_t *enabled, int nr, int last) noexcept nogil:
        cdef int cpu
        for cpu in range(self.nr_cpus):
            if self.pending[cpu].kind != STEP_END:
                self.pendings = mix64(self.pendings ^ self.pending[cpu].object << 16 ^ cpu << 8 ^ self.pending[cpu].kind)
        self.note_sleepers(enabled, nr)
        if self.again:
            cpu = self.answers[self.position] if self.position < self.nr_answers else REFUSED
            self.position += 1
        else:
            cpu = self.keep_answer((<Schedule>self.asked).next_cpu(enabled, nr, last))
        if cpu >= 0:
            self.keep_step(cpu)
        return cpu

    cdef bint next_chance(self, uint32_t ppm) noexcept nogil:
        cdef bint happens
        if self.again:
            happens = self.answers[self.position]
            self.position += 1
        else:
            happens = self.keep_answer((<Schedule>self.asked).next_chance(ppm)) == 1
        if self.nr_steps > 0:
            self.steps[self.nr_steps - 1].chances = self.steps[self.nr_steps - 1].chances * 3 + 1 + happens
        return happens

    cdef int next_choice(self, uint32_t n) noexcept nogil:
        return 0

    cdef void end_execution(self, uint64_t steps, bint complete) noexcept nogil:
        if not self.again:
            (<Schedule>self.asked).end_execution(steps, complete)

    cdef void keep_step(self, int cpu) noexcept nogil:
        """What that CPU is about to do, happens."""
        cdef seen_step_t *s = &self.steps[self.nr_steps]
        s.step = self.pending[cpu]
        if s.step.kind == STEP_TRY and load64(&(<lock_t *>self.execution.tasks[cpu].obj).word) != 0:
            s.step.access = READS
        elif s.step.access == ADDS | WRITES:
            s.step.access = WRITES if load_i32(<int32_t *>(self.base + s.step.object)) == 1 else ADDS
        s.barrier = self.slept_until[cpu]
        self.slept_until[cpu] = 0
        s.cpu = cpu
        s.ordinal = self.nr_of_cpu[cpu]
        s.chances = 0
        self.nr_of_cpu[cpu] += 1
        self.nr_steps += 1

    cdef bint is_timed(self, int cpu) noexcept nogil:
        """Whether it can go on for no other reason than that its time has come."""
        cdef const task_t *task = &self.execution.tasks[cpu]
        if task.due_ns > self.execution.clock_ns:
            return False
        if self.pending[cpu].kind == STEP_PARK:
            return load32(task.tokens) == 0
        return self.pending[cpu].kind == STEP_TICK and (
            self.pending[cpu].object != EVERYTHING or task.looked == fingerprint(&self.execution.polled))

    cdef void note_sleepers(self, const uint8_t *enabled, int nr) noexcept nogil:
        """Time has passed because nobody could go on: all that can now have slept until then."""
        cdef int i
        for i in range(nr):
            if self.slept_until[enabled[i]] == 0 and not self.is_timed(enabled[i]):
                return
        for i in range(nr):
            if self.slept_until[enabled[i]] == 0:
                self.slept_until[enabled[i]] = self.nr_steps

    cdef uint64_t class_hash(self) noexcept nogil:
        """Of the steps and the order of those that depend on each other."""
        cdef uint64_t hash = 0, one
        cdef uint64_t *clock
        cdef const uint64_t *other
        cdef const seen_step_t *s
        cdef const seen_step_t *before
        cdef int j, i, c
        for j in range(self.nr_steps):
            s = &self.steps[j]
            clock = self.clocks + j * MOST_CPUS
            for c in range(self.nr_cpus):
                clock[c] = 0
            for i in range(j):
                before = &self.steps[i]
                if before.cpu == s.cpu or i < s.barrier or dependent(&before.step, &s.step):
                    other = self.clocks + i * MOST_CPUS
                    for c in range(self.nr_cpus):
                        clock[c] = max(clock[c], other[c])
            clock[s.cpu] = <uint64_t>s.ordinal + 1
            one = mix64(s.step.object << 16 ^ s.step.kind << 8 ^ s.step.access << 4) ^ mix64(s.chances << 8 ^ (s.barrier != 0))
            for c in range(self.nr_cpus):
                one = mix64(one ^ clock[c] << 8 ^ c)
            hash += mix64(one ^ <uint64_t>s.cpu << 32 ^ <uint64_t>s.ordinal)
        return hash


SEARCHES = {"all": AllSchedules, "dpor": SourceDpor, "random": partial(RandomWalk, 1)}


cdef uint64_t hash_words(uint64_t hash, void *base, uint64_t bytes) noexcept nogil:
    cdef uint64_t i
    for i in range(bytes // 8):
        hash = (hash ^ (<uint64_t *>base)[i]) * <uint64_t>0x9E3779B97F4A7C15
        hash ^= hash >> 32
    return hash


cdef uint64_t state_hash(Engine engine) noexcept nogil:
    """All of the segment but the format's words, statistics, which say when, and trace records, which say how."""
    cdef uint64_t i, set_at_format = <uint64_t>(<char *>&engine.m.control.nr_swap_pages - <char *>engine.m.control)
    cdef uint64_t hash = hash_words(0, &engine.m.control.nr_swap_pages, sizeof(control_t) - set_at_format)
    cdef percpu_t *pc
    for i in range(engine.m.geo.cpus):
        pc = percpu_of(&engine.m, i)
        hash = hash_words(hash, pc, <uint64_t>(<char *>&pc.refused_entry - <char *>pc))
        hash = hash_words(hash, pc.gauges, NR_GAUGES * sizeof(int64_t))
    return hash_words(hash, engine.m.base + engine.m.resettable, engine.m.size - engine.m.resettable)


cdef object enumerate_with(Engine engine, list bodies, str search, uint64_t most, bint twice):
    """Play the schedules of `search`, `most` at most; Interleavings."""
    if search not in SEARCHES:
        raise ValueError(f"search {search!r}: one of {', '.join(SEARCHES)}")
    cdef ClassRecorder recorder = ClassRecorder(SEARCHES[search](), engine.execution)
    cdef Execution execution = engine.execution
    cdef uint64_t number = 0, redundant = 0, unrepeatable = 0, steps = 0, of_class, state, pendings
    cdef bint exhausted = False
    classes, recordings, ambiguous, verdicts = {}, {}, {}, {}
    began = time.perf_counter()
    engine.use(recorder, bodies, STEP_LIMIT)
    while number < most:
        engine.reset()
        if not engine.play(number, True):
            exhausted = True
            break
        number += 1
        steps += execution.steps
        verdict = VERDICTS[execution.verdict]
        if verdict == "diverged":
            raise RuntimeError(f"execution {number}: {recorder.inner.refusal()}")
        if verdict == "redundant":
            redundant += 1
            continue
        verdicts[verdict] = verdicts.get(verdict, 0) + 1
        of_class = recorder.class_hash()
        state = state_hash(engine) ^ <uint64_t>execution.verdict
        if classes.setdefault(of_class, state) != state and of_class not in ambiguous:
            ambiguous[of_class] = (recordings.get(of_class), execution.recording())
        if len(recordings) < KEPT_RECORDINGS:
            recordings.setdefault(of_class, execution.recording())
        if twice:
            pendings = recorder.pendings
            recorder.again = True
            engine.reset()
            engine.play(number, True)
            recorder.again = False
            if recorder.pendings != pendings or recorder.class_hash() != of_class or (
                    state_hash(engine) ^ <uint64_t>execution.verdict) != state:
                unrepeatable += 1
    return Interleavings(number, redundant, exhausted, classes, recordings, list(ambiguous.values()), unrepeatable, verdicts,
                         steps, time.perf_counter() - began)


def interleavings_of(spec, race, search: str, most: int = 1_000_000, tick: str = "await", twice: bool = False):
    """Those of a race (workers/races) on the machine of `spec`. Errors: of Machine, and ValueError for a search."""
    cdef Machine machine = ScriptMachine(spec)
    if race.before:
        machine.play_soundly({0: race.before})
    bodies = machine.bodies(machine.scripts_of(dict(enumerate(race.race))))
    machine.m.control.cpus_working = len(race.race)
    machine.engine.capture()
    machine.engine.execution.tick_model = TICK_MODELS.index(tick)
    return enumerate_with(machine.engine, bodies, search, most, twice)
