"""Clocks: whose is least goes on, and nobody else."""
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from shm.atomic cimport store32
from shm.layout cimport layout_attach, percpu_of
from shm.vmstat cimport NR_EVENTS
from workers.cpu cimport NR_STEPS, STEP_END
from workers.executors.stacks cimport (
    STACK_BYTES, stack_entry, stack_free, stack_make, stack_start, stack_switch,
)
from workers.simulation.costs cimport COST_SHIFT, fill_costs

cdef extern from *:
    bint unlikely(bint condition) nogil

cdef uint64_t NEVER = <uint64_t>-1
cdef uint64_t HASH_PRIME = <uint64_t>0x100000001B3

VERDICTS = ("running", "completed", "deadlock", "no progress", "time stands still")
KINDS = ("start", "atomic", "acquire", "trylock", "release", "park", "tick", "busy", "end")
assert len(KINDS) == NR_STEPS


cdef class Clocks:
    """One clock and one stack for each CPU of the formatted segment in `buf`, a writable buffer. All of one thread."""

    def __cinit__(self):
        self.current = NO_CPU

    def __init__(self, buf, model) -> None:
        cdef uint32_t i
        PyObject_GetBuffer(buf, &self.view, PyBUF_WRITABLE)
        self.viewed = True
        self.buf = buf
        layout_attach(&self.m, <char *>self.view.buf)
        fill_costs(&self.costs, model)
        self.tasks = <sim_task_t *>calloc(self.m.geo.cpus, sizeof(sim_task_t))
        self.heap = <uint64_t *>calloc(self.m.geo.cpus, sizeof(uint64_t))
        if self.tasks == NULL or self.heap == NULL:
            raise MemoryError(f"no memory for {self.m.geo.cpus} clocks")
        for i in range(<uint32_t>self.m.geo.cpus):
            if stack_make(&self.tasks[i].stack, STACK_BYTES) != 0:
                raise MemoryError(f"no memory for the stack of CPU {i}")
            self.nr_tasks += 1

    def __dealloc__(self):
        cdef uint32_t i
        if self.tasks != NULL:
            for i in range(self.nr_tasks):
                stack_free(&self.tasks[i].stack)
        free(self.tasks)
        free(self.heap)
        if self.viewed:
            PyBuffer_Release(&self.view)

    cdef void settle(self, uint32_t cpu) noexcept nogil:
        """Charge what was left open until the CPU's next step."""

    def restart(self, seed: int, stop_ns: int | None, give_up_ns: int | None) -> None:
        """All clocks at their beginning, no CPU started, nothing counted.

        At `stop_ns` the stop word is set; whoever has not ended at `give_up_ns` makes no progress.
        """
        cdef uint32_t i, shift = 0
        cdef uint64_t start_ns = self.costs.start_ns, tick_ns = self.m.control.tick_ns
        cdef uint64_t sown = (seed * 0x9E3779B97F4A7C15 + 0x2545F4914F6CDD1D) & 0xFFFFFFFFFFFFFFFF
        while (self.nr_tasks - 1) >> shift >= 64:
            shift += 1
        for i in range(self.nr_tasks):
            t = &self.tasks[i]
            t.noise = sown ^ (<uint64_t>i << 32)
            next_noise(t)
            t.clock_ns = next_noise(t) % start_ns if start_ns else 0
            t.tick_offset = 0 if self.costs.aligned else next_noise(t) % tick_ns
            t.group = <uint64_t>1 << (i >> shift)
            t.near = near_groups(i, self.nr_tasks, shift, self.costs.cpus_per_socket)
            t.interrupt_at = NEVER
            if self.costs.interrupt_every_ns:
                t.interrupt_at = next_noise(t) % (2 * self.costs.interrupt_every_ns)
            t.seq = t.still = t.still_at = t.asleep_at = 0
            t.heap_at = t.next_waiter = t.lru_left = t.charge_left = 0
            t.state = SIM_IDLE
            t.bare = NULL
        memset(self.steps, 0, sizeof(self.steps))
        self.nr_heap = self.alive = 0
        self.current = NO_CPU
        self.verdict = SIM_RUNNING
        self.stopped = False
        self.stop_ns = NEVER if stop_ns is None else stop_ns
        self.give_up_ns = NEVER if give_up_ns is None else give_up_ns
        self.events = self.now_ns = 0
        self.hash = <uint64_t>0xCBF29CE484222325

    cdef void start(self, uint32_t cpu, stack_entry entry, void *arg) noexcept nogil:
        """`entry(arg)` is what that CPU does; it calls end_task() last and never returns."""
        self.tasks[cpu].state = SIM_READY
        self.alive += 1
        stack_start(&self.tasks[cpu].stack, entry, arg)
        self.push(cpu)

    cdef void run(self, uint64_t events) noexcept nogil:
        """Go on for about so many events, or until the verdict is there. Context: no CPU runs; the caller's stack."""
        if self.verdict != SIM_RUNNING:
            return
        if self.nr_heap == 0:
            self.verdict = SIM_DEADLOCK if self.alive else SIM_COMPLETED
            return
        self.pause_at = self.events + events
        self.current = self.pop()
        stack_switch(&self.home, &self.tasks[self.current].stack)

    cdef void interrupt(self, sim_task_t *t) noexcept nogil:
        """Somebody else has the CPU for a while, unless it slept when that was due."""
        if t.clock_ns - t.interrupt_at < INTERRUPT_LATE_NS:
            t.clock_ns += next_noise(t) % (2 * self.costs.interrupt_ns + 1)
        t.interrupt_at = t.clock_ns + 1 + next_noise(t) % (2 * self.costs.interrupt_every_ns)

    cdef void others_first(self, uint32_t cpu, uint64_t key) noexcept nogil:
        """The CPU's clock is not the least, or the run is to pause: give the thread up until it is."""
        cdef uint32_t least
        if self.events >= self.pause_at:
            self.push(cpu)
            self.current = NO_CPU
            stack_switch(&self.tasks[cpu].stack, &self.home)
            return
        least = <uint32_t>(self.heap[0] & NO_CPU)
        self.tasks[least].heap_at = 0
        self.sift_down(0, key)
        self.current = least
        stack_switch(&self.tasks[cpu].stack, &self.tasks[least].stack)

    cdef void turn(self, uint32_t cpu, int kind, uint64_t offset) noexcept nogil:
        """Wait until the CPU's clock is the least of all, and note its event. Context: on that CPU's stack."""
        cdef sim_task_t *t = &self.tasks[cpu]
        cdef uint64_t key
        if t.bare != NULL:
            self.settle(cpu)
        if unlikely(t.clock_ns >= t.interrupt_at):
            self.interrupt(t)
        key = t.clock_ns << CPU_BITS | cpu
        if (self.nr_heap != 0 and self.heap[0] < key) or self.events >= self.pause_at:
            self.others_first(cpu, key)
        self.now_ns = t.clock_ns
        if unlikely(t.clock_ns >= self.stop_ns) and not self.stopped:
            self.stop()
        if unlikely(t.clock_ns >= self.give_up_ns):
            self.give_up(cpu, SIM_NO_PROGRESS)
        if t.still_at == t.clock_ns:
            t.still += 1
            if unlikely(t.still > SAME_TIME_LIMIT):
                self.give_up(cpu, SIM_STILL)
        else:
            t.still_at = t.clock_ns
            t.still = 0
        t.seq += 1
        self.events += 1
        self.steps[kind] += 1
        self.hash = (self.hash ^ key) * HASH_PRIME
        self.hash = ((self.hash ^ (self.hash >> 29)) ^ (offset << 8 | <uint64_t>kind) ^ (t.seq << 40)) * HASH_PRIME

    cdef void give_up(self, uint32_t cpu, int verdict) noexcept nogil:
        """What follows means nothing. Never returns."""
        self.verdict = verdict
        self.current = NO_CPU
        stack_switch(&self.tasks[cpu].stack, &self.home)

    cdef void stop(self) noexcept nogil:
        """The time is over: every CPU leaves after its present operation. What was counted until now is kept."""
        cdef uint32_t i
        cdef int event
        self.stopped = True
        memset(self.at_stop, 0, sizeof(self.at_stop))
        for i in range(self.nr_tasks):
            for event in range(NR_EVENTS):
                self.at_stop[event] += percpu_of(&self.m, i).events[event]
        store32(&self.m.control.stop, 1)

    cdef void end_task(self, uint32_t cpu) noexcept nogil:
        """The CPU has done its work. Never returns."""
        self.turn(cpu, STEP_END, 0)
        self.tasks[cpu].state = SIM_IDLE
        self.alive -= 1
        self.switch_to_next(cpu)

    cdef void switch_to_next(self, uint32_t cpu) noexcept nogil:
        """Run whose clock is least; the CPU itself is not in the heap, or with a timeout. Returns when it is chosen."""
        cdef uint32_t least
        if self.nr_heap == 0:
            self.give_up(cpu, SIM_DEADLOCK if self.alive else SIM_COMPLETED)
        least = self.pop()
        self.current = least
        if least != cpu:
            stack_switch(&self.tasks[cpu].stack, &self.tasks[least].stack)

    cdef void pass_time(self, sim_task_t *t, uint64_t cost) noexcept nogil:
        """Move a clock on by `cost` (ns << COST_SHIFT), more or less by the model's noise, rounded by chance."""
        cdef uint64_t r = next_noise(t)
        cdef int64_t swing = <int64_t>((cost * self.costs.noise) >> 10)
        cost += <uint64_t>((swing * (<int64_t>(r & 0xFFFF) - 32768)) // 32768)
        t.clock_ns += (cost + ((r >> 16) & ((1 << COST_SHIFT) - 1))) >> COST_SHIFT

    cdef void push(self, uint32_t cpu) noexcept nogil:
        self.nr_heap += 1
        self.sift_up(self.nr_heap - 1, self.tasks[cpu].clock_ns << CPU_BITS | cpu)

    cdef uint32_t pop(self) noexcept nogil:
        """Whose clock is least, taken out of the heap, which is not empty."""
        cdef uint32_t least = <uint32_t>(self.heap[0] & NO_CPU)
        self.tasks[least].heap_at = 0
        self.nr_heap -= 1
        if self.nr_heap != 0:
            self.sift_down(0, self.heap[self.nr_heap])
        return least

    cdef void remove(self, uint32_t cpu) noexcept nogil:
        cdef uint32_t at = self.tasks[cpu].heap_at - 1
        cdef uint64_t last
        self.tasks[cpu].heap_at = 0
        self.nr_heap -= 1
        if at == self.nr_heap:
            return
        last = self.heap[self.nr_heap]
        if at != 0 and self.heap[(at - 1) >> 1] > last:
            self.sift_up(at, last)
        else:
            self.sift_down(at, last)

    cdef void sift_up(self, uint32_t at, uint64_t key) noexcept nogil:
        cdef uint32_t above
        while at != 0:
            above = (at - 1) >> 1
            if self.heap[above] < key:
                break
            self.heap[at] = self.heap[above]
            self.tasks[self.heap[at] & NO_CPU].heap_at = at + 1
            at = above
        self.heap[at] = key
        self.tasks[key & NO_CPU].heap_at = at + 1

    cdef void sift_down(self, uint32_t at, uint64_t key) noexcept nogil:
        cdef uint32_t below = 2 * at + 1
        while below < self.nr_heap:
            if below + 1 < self.nr_heap and self.heap[below + 1] < self.heap[below]:
                below += 1
            if self.heap[below] > key:
                break
            self.heap[at] = self.heap[below]
            self.tasks[self.heap[at] & NO_CPU].heap_at = at + 1
            at = below
            below = 2 * at + 1
        self.heap[at] = key
        self.tasks[key & NO_CPU].heap_at = at + 1

    def run_for(self, events: int) -> bool:
        """Go on for about so many events, without the GIL; whether there is more to come."""
        cdef uint64_t nr = events
        with nogil:
            self.run(nr)
        return self.verdict == SIM_RUNNING

    @property
    def verdict_text(self) -> str:
        return VERDICTS[self.verdict]

    @property
    def event_hash(self) -> str:
        """Of every event so far, in its order: time, CPU, seq, kind and place of the object in the segment."""
        return f"{self.hash:016x}"

    def waiting_told(self) -> str:
        """Who has not ended, and in what."""
        states = ("ended", "ready", "in the queue of a lock", "asleep")
        waiting = [f"cpu {i} {states[self.tasks[i].state]} since {self.tasks[i].clock_ns} ns"
                   for i in range(self.nr_tasks) if self.tasks[i].state != SIM_IDLE]
        return "; ".join(waiting[:16]) + (f"; and {len(waiting) - 16} more" if len(waiting) > 16 else "")

    def steps_told(self) -> dict[str, int]:
        """Events by kind of step."""
        return {kind: self.steps[i] for i, kind in enumerate(KINDS) if self.steps[i]}

    def counted_at_stop(self) -> list[int]:
        """What all CPUs had counted when the time was over, in the order of shm.records.EVENTS."""
        return [self.at_stop[i] for i in range(NR_EVENTS)]


cdef uint64_t near_groups(uint32_t cpu, uint32_t nr, uint32_t shift, uint32_t per_socket) noexcept nogil:
    """Bits of the groups that lie on the CPU's socket."""
    cdef uint64_t bits = 0
    cdef uint32_t i
    for i in range(nr):
        if i // per_socket == cpu // per_socket:
            bits |= <uint64_t>1 << (i >> shift)
    return bits
