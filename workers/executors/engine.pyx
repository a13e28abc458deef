"""Plays schedules: from one pristine state, many interleavings of the same bodies."""
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from shm.layout cimport NR_WAIT_QUEUES, control_t, layout_attach, layout_end, layout_t, percpu_of, wait_queue
from shm.percpu cimport percpu_t
from shm.swap_map cimport SLOTS_TABLE
from shm.vmstat cimport NR_GAUGES
from workers.cpu cimport Cpu
from workers.executors.cooperative_cpu cimport CooperativeCpu, checks_t
from workers.executors.execution cimport COMPLETED, DIVERGED, REDUNDANT, RUNNING, UNFAIR, Execution
from workers.executors.lasso cimport regions_add
from workers.executors.sound_states cimport SoundStates, fingerprint
from workers.schedulers.schedule cimport RoundRobin, Schedule, mix64

cdef uint64_t ALL_QUEUES = <uint64_t>-1
PREPARATION_STEPS = 1 << 40  # preparation is one story: it may be long, and a hang of it is seen by the supervisor


cdef class Body:
    """Abstract."""

    cdef void run(self, Cpu cpu) noexcept nogil:
        pass


cdef class Judge:
    """The judge that finds everything legal."""

    cdef bint at_rest(self, layout_t *m) noexcept nogil:
        return True

    cdef bint goes_by_state(self) noexcept nogil:
        return False

    cdef bint under_lock(self, layout_t *m, uint32_t device, uint64_t cluster) noexcept nogil:
        return True

    cdef bint under_folio_lock(self, layout_t *m, uint32_t pfn) noexcept nogil:
        return True

    cdef bint under_page_table_lock(self, layout_t *m, uint32_t mm, uint64_t first, uint64_t end) noexcept nogil:
        return True

    cdef bint at_warning(self, layout_t *m, int warning) noexcept nogil:
        return True

    cdef bint has_known(self, layout_t *m) noexcept nogil:
        return False

    def told(self) -> list[dict[str, str]]:
        """What was found illegal in the last execution: law, sentence, detail."""
        return []

    def known(self) -> list[dict[str, str]]:
        """What was seen broken as it is known to be, in all executions together."""
        return []


cdef void seated(void *arg) noexcept nogil:
    """Where a task's stack begins."""
    cdef seat_t *seat = <seat_t *>arg
    (<Body>seat.body).run(<Cpu>seat.cpu)
    (<Cpu>seat.cpu).stores_done()
    (<Execution>seat.execution).end_task()


cdef bint judge_cluster(void *judge, Cpu cpu, uint32_t device, uint64_t cluster) noexcept nogil:
    return (<Judge>judge).under_lock(&cpu.m, device, cluster)


cdef bint judge_folio(void *judge, Cpu cpu, uint32_t pfn) noexcept nogil:
    return (<Judge>judge).under_folio_lock(&cpu.m, pfn)


cdef bint judge_pages(void *judge, Cpu cpu, uint32_t mm, uint64_t first, uint64_t end) noexcept nogil:
    return (<Judge>judge).under_page_table_lock(&cpu.m, mm, first, end)


cdef bint judge_warning(void *judge, Cpu cpu, int warning) noexcept nogil:
    return (<Judge>judge).at_warning(&cpu.m, warning)


cdef checks_t CHECKS
CHECKS.at_cluster = judge_cluster
CHECKS.at_folio = judge_folio
CHECKS.at_pages = judge_pages
CHECKS.at_warning = judge_warning


cdef uint64_t own_bytes() noexcept nogil:
    """Of a CPU's block: what is state, not statistics."""
    cdef percpu_t *p = NULL
    return <uint64_t>&p.events


cdef class Engine:
    """An engine over the formatted segment in `buf`, a writable buffer. Its virtual clock starts at one tick."""

    def __cinit__(self):
        self.execution = Execution()
        self.sound = SoundStates()
        self.cpus = []
        self.bodies = []

    def __init__(self, buf: object, judge: Judge) -> None:
        cdef uint32_t i
        cdef CooperativeCpu cpu
        PyObject_GetBuffer(buf, &self.view, PyBUF_WRITABLE)
        self.viewed = True
        self.buf = buf
        self.judge = judge
        layout_attach(&self.m, <char *>self.view.buf)
        self.end = layout_end(&self.m)
        self.execution.place(self.m.base, self.m.size)
        regions_add(&self.execution.polled, self.m.tables, self.m.geo.tables * self.m.geo.cluster_slots * 8)
        if self.m.geo.slot_format != SLOTS_TABLE:
            regions_add(&self.execution.polled, self.m.swap_map, self.m.geo.slots * self.m.geo.devices)
        regions_add(&self.execution.polled, self.m.ptes, self.m.geo.mms * self.m.geo.pages * 8)
        regions_add(&self.execution.polled, self.m.mappings, self.m.geo.inodes * self.m.geo.inode_pages * 8)
        # What only laws look at, the generations, is no state.
        regions_add(&self.execution.lasso.state, self.m.base + self.m.resettable,
                    <uint64_t>(<char *>self.m.generations - self.m.base) - self.m.resettable)
        regions_add(&self.execution.lasso.state, self.m.zeromap,
                    self.end - <uint64_t>(<char *>self.m.zeromap - self.m.base))
        self.clock_ns = self.m.control.tick_ns
        for i in range(<uint32_t>self.m.geo.cpus):
            cpu = CooperativeCpu(self.execution)
            cpu.attach(self.m.base, i)
            cpu.judge = <void *>judge
            self.execution.add_task(&cpu.my.wake_tokens)
            self.cpus.append(cpu)
        self.seats = <seat_t *>calloc(self.m.geo.cpus, sizeof(seat_t))
        if self.seats == NULL:
            raise MemoryError("no memory for the seats of the CPUs")

    def __dealloc__(self):
        free(self.seats)
        free(self.pristine)
        if self.viewed:
            PyBuffer_Release(&self.view)

    cdef void seat(self, list bodies) except *:
        """Body i is what CPU i does; None: it does nothing."""
        cdef uint32_t i
        if len(bodies) != len(self.cpus):
            raise ValueError(f"{len(bodies)} bodies for {len(self.cpus)} CPUs: there must be one for each, or None")
        self.bodies = bodies
        for i in range(<uint32_t>self.m.geo.cpus):
            self.seats[i].body = NULL if bodies[i] is None else <void *>bodies[i]
            self.seats[i].cpu = <void *>self.cpus[i]
            self.seats[i].execution = <void *>self.execution

    def prepare(self, bodies: list) -> None:
        """Run `bodies` once, in turn and unrecorded, from the state as it is.

        RuntimeError: they do not come to their end, and who waits for what.
        """
        self.seat(bodies)
        self.execution.use(RoundRobin(), PREPARATION_STEPS)
        with nogil:
            self.play(0, False)
            self.clock_ns = self.execution.clock_ns
        if self.execution.verdict != COMPLETED:
            raise RuntimeError(f"preparation: {self.execution.verdict_text()}: {self.execution.waiting_told()}")

    def start_measuring(self, working: int) -> None:
        """From here on `working` CPUs are at work and all is counted: the state that every schedule begins with."""
        cdef uint64_t i
        cdef percpu_t *pc
        for i in range(self.m.geo.cpus):
            pc = percpu_of(&self.m, <uint32_t>i)
            memset(pc.events, 0, sizeof(pc.events))
            memset(pc.waits, 0, sizeof(pc.waits))
            memset(pc.latencies, 0, sizeof(pc.latencies))
        self.m.control.cpus_working = working
        self.m.control.measuring = 1
        self.capture()

    def use(self, schedule: Schedule, bodies: list, step_limit: int) -> None:
        """What the next schedules do, and who chooses. `step_limit`: steps after which a schedule makes no progress."""
        cdef CooperativeCpu cpu
        self.exhausted = False
        self.execution.queues = ALL_QUEUES
        self.redundant = 0
        self.unfair = 0
        self.sound.forget()
        self.seat(bodies)
        self.execution.use(schedule, step_limit)
        for cpu in self.cpus:
            if self.judge.every_unlock:
                cpu.checks = &CHECKS
            else:
                cpu.checks = NULL
            cpu.delayed_stores = self.delayed_stores
        if self.pristine == NULL:
            self.capture()

    cdef void capture(self) except *:
        """Keep the state as it is: every schedule begins with it."""
        cdef uint64_t own = own_bytes(), gauges = NR_GAUGES * sizeof(int64_t), i
        cdef char *at
        cdef percpu_t *pc
        free(self.pristine)
        self.pristine = <char *>malloc(
            sizeof(control_t) + self.m.geo.cpus * (own + gauges) + self.end - self.m.resettable)
        if self.pristine == NULL:
            raise MemoryError(f"no memory for a copy of a segment of {self.m.size} bytes")
        memcpy(self.pristine, self.m.control, sizeof(control_t))
        at = self.pristine + sizeof(control_t)
        for i in range(self.m.geo.cpus):
            pc = percpu_of(&self.m, <uint32_t>i)
            pc.warned = 0
            memset(pc.warnings, 0, sizeof(pc.warnings))
            memcpy(at, pc, own)
            memcpy(at + own, pc.gauges, gauges)
            at += own + gauges
        memcpy(at, self.m.base + self.m.resettable, self.end - self.m.resettable)

    cdef void reset(self) noexcept nogil:
        """The captured state again. Statistics stay: they add up over schedules. Of the wait queues, which are most of a
        small machine, those go back whose lock somebody has taken."""
        cdef uint64_t own = own_bytes(), gauges = NR_GAUGES * sizeof(int64_t), i
        cdef uint64_t queues = self.execution.queues, all_queues = NR_WAIT_QUEUES * sizeof(wait_queue)
        cdef char *at = self.pristine + sizeof(control_t)
        cdef percpu_t *pc
        memcpy(self.m.control, self.pristine, sizeof(control_t))
        for i in range(self.m.geo.cpus):
            pc = percpu_of(&self.m, <uint32_t>i)
            if pc.warned:
                memset(pc.warnings, 0, sizeof(pc.warnings))
            memcpy(pc, at, own)
            memcpy(pc.gauges, at + own, gauges)
            at += own + gauges
        self.execution.queues = 0
        i = 0
        while queues:
            if queues & 1:
                self.m.wait_queues[i] = (<wait_queue *>at)[i]
            queues >>= 1
            i += 1
        memcpy(self.m.wait_queues + NR_WAIT_QUEUES, at + all_queues, self.end - self.m.resettable - all_queues)

    cdef bint play(self, uint64_t number, bint by_chance) noexcept nogil:
        """One execution from the state as it is; the verdict stands in the execution. False: the oracle has none left.

        `by_chance`: the CPUs' random numbers follow from the schedule, and a replay has the same ones.
        """
        cdef uint32_t i
        cdef uint64_t *rng
        if not self.execution.begin(number, self.clock_ns):
            return False
        for i in range(<uint32_t>self.m.geo.cpus):
            (<CooperativeCpu>self.seats[i].cpu).forget()
            if by_chance:
                rng = percpu_of(&self.m, i).rng
                rng[0] = mix64(self.execution.seed + 2 * i)
                rng[1] = mix64(self.execution.seed + 2 * i + 1) | 1
            if self.seats[i].body != NULL:
                self.execution.start(<int>i, seated, &self.seats[i])
        if self.execution.verdict == RUNNING:
            self.execution.run()
        (<Schedule>self.execution.oracle).end_execution(self.execution.steps, self.execution.verdict == COMPLETED)
        return True

    cdef bint legal(self) noexcept nogil:
        """Whether the execution that was just played came to its end and left a state that the judge finds legal."""
        if self.execution.verdict == REDUNDANT:
            self.redundant += 1
            return True
        if self.execution.verdict == UNFAIR:
            self.unfair += 1
            return True
        return self.execution.verdict == COMPLETED and self.is_sound()

    cdef bint is_sound(self) noexcept nogil:
        """Whether the judge finds the state at rest legal, or has found the same one legal before."""
        cdef uint64_t state
        if self.warned() or self.judge_each or not self.judge.goes_by_state() or not self.sound.is_worth_it():
            self.judged += 1
            return self.judge.at_rest(&self.m)
        state = fingerprint(&self.m, self.end, self.execution.queues, self.pristine_queues())
        if self.sound.has(state):
            return True
        self.judged += 1
        if not self.judge.at_rest(&self.m):
            return False
        self.sound.add(state)
        return True

    cdef bint warned(self) noexcept nogil:
        """Whether a step has warned, which no state keeps."""
        cdef uint32_t i
        for i in range(<uint32_t>self.m.geo.cpus):
            if percpu_of(&self.m, i).warned:
                return True
        return False

    cdef const wait_queue *pristine_queues(self) noexcept nogil:
        """Where the resettable part begins."""
        return <const wait_queue *>(self.pristine + sizeof(control_t) + self.m.geo.cpus * (
            own_bytes() + NR_GAUGES * sizeof(int64_t)))

    cdef uint64_t batch(self, uint64_t first, uint64_t nr) noexcept nogil:
        """Play schedules first, first + 1, ...: how many, up to and with the first that is not legal, `nr` at most."""
        cdef uint64_t number
        for number in range(first, first + nr):
            self.reset()
            if not self.play(number, True):
                self.exhausted = True
                return number - first
            self.steps += self.execution.steps
            self.hash = mix64(self.hash ^ self.execution.hash)
            self.last_legal = self.legal()
            if not self.last_legal:
                return number - first + 1
        return nr

    def play_batch(self, first: int, nr: int) -> tuple[int, bool]:
        """Play `nr` schedules from number `first` on, without the GIL; stop after one that is not legal.

        Returns how many were played, and whether the last one was legal. Fewer than `nr`, and legal: `exhausted`.
        """
        cdef uint64_t played, start = first, count = nr
        self.last_legal = True
        with nogil:
            played = self.batch(start, count)
        if self.execution.verdict != DIVERGED and self.execution.schedule.left():
            self.execution.verdict = DIVERGED
            self.last_legal = False
        return played, self.last_legal
