"""Virtual time: whose clock is least takes the next step, and pays for it."""
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from shm.atomic cimport store32
from shm.layout cimport layout_attach, percpu_of
from shm.lock cimport CLASS_LRUVEC, CLASS_PTL, NR_LOCK_CLASSES, lock_t
from shm.vmstat cimport NR_EVENTS
from workers.cpu cimport (
    NR_STEPS, READS, STEP_ACQUIRE, STEP_ATOMIC, STEP_END, STEP_PARK, STEP_RELEASE, STEP_START, STEP_TRY,
)
from workers.executors.stacks cimport (
    STACK_BYTES, stack_entry, stack_free, stack_make, stack_start, stack_switch,
)
from workers.simulation.costs cimport COST_SHIFT, distance, fill_costs
from workers.simulation.lines cimport TABLE_BITS, line_of, line_t, own_line, read_line

from shm.records import LOCK_CLASSES

cdef extern from *:
    bint unlikely(bint condition) nogil

cdef uint64_t NEVER = <uint64_t>-1
cdef uint64_t HASH_PRIME = <uint64_t>0x100000001B3

VERDICTS = ("running", "completed", "deadlock", "no progress", "time stands still")
KINDS = ("start", "atomic", "acquire", "trylock", "release", "park", "tick", "busy", "end")
assert len(KINDS) == NR_STEPS


cdef class Simulator:
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
        self.nr_clusters = self.m.clusters_per_device * self.m.geo.devices
        self.tasks = <sim_task_t *>calloc(self.m.geo.cpus, sizeof(sim_task_t))
        self.heap = <uint64_t *>calloc(self.m.geo.cpus, sizeof(uint64_t))
        self.lines = <line_t *>calloc(1 << TABLE_BITS, sizeof(line_t))
        self.clusters = <lock_stat_t *>calloc(self.nr_clusters, sizeof(lock_stat_t))
        if self.tasks == NULL or self.heap == NULL or self.lines == NULL or self.clusters == NULL:
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
        free(self.lines)
        free(self.clusters)
        if self.viewed:
            PyBuffer_Release(&self.view)

    def restart(self, seed: int, stop_ns: int | None, give_up_ns: int | None) -> None:
        """All clocks at their beginning, no CPU started, nothing counted, nobody's lines anywhere.

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
            t.seq = t.still = t.still_at = t.asleep_at = 0
            t.heap_at = t.next_waiter = t.lru_left = t.charge_left = 0
            t.state = SIM_IDLE
            t.bare = NULL
        memset(self.lines, 0, sizeof(line_t) << TABLE_BITS)
        memset(self.clusters, 0, self.nr_clusters * sizeof(lock_stat_t))
        memset(self.locks, 0, sizeof(self.locks))
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
            self.charge_bare(cpu)
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

    cdef uint64_t write_line(self, uint32_t cpu, uint64_t offset) noexcept nogil:
        """Cost of having a line alone; a transfer waits for those that were asked for before."""
        cdef sim_task_t *t = &self.tasks[cpu]
        cdef line_t *at = line_of(self.lines, offset)
        cdef uint64_t cost = own_line(at, &self.costs, cpu, t.group, t.near), begin = t.clock_ns
        if cost == self.costs.own:
            return cost
        if at.free_at > begin:
            begin = at.free_at
        at.free_at = begin + (cost >> COST_SHIFT)
        return cost + ((begin - t.clock_ns) << COST_SHIFT)

    cdef void atomic(self, uint32_t cpu, uint64_t offset, int access, uint64_t more) noexcept nogil:
        """A step that takes no lock: the code before it, its line, and `more`. access 0: the line is the CPU's own."""
        cdef sim_task_t *t = &self.tasks[cpu]
        self.turn(cpu, STEP_ATOMIC, offset)
        if access == 0 or offset == 0:
            more += self.costs.own
        elif access == READS:
            more += read_line(line_of(self.lines, offset), &self.costs, cpu, t.group)
        else:
            more += self.write_line(cpu, offset)
        self.pass_time(t, self.costs.atomic + more)

    cdef uint64_t lock_line(self, uint32_t cpu, lock_t *l) noexcept nogil:
        """Cost of having a lock's line; of the lruvec lock's every so many times, as the kernel works in batches."""
        cdef sim_task_t *t = &self.tasks[cpu]
        if l.cls == CLASS_LRUVEC:
            if t.lru_left != 0:
                t.lru_left -= 1
                return self.costs.own
            t.lru_left = self.costs.lruvec_batch - 1
        return self.write_line(cpu, <uint64_t>(<char *>l - self.m.base))

    cdef void charge_bare(self, uint32_t cpu) noexcept nogil:
        """The page-table lock that was just taken is held over a step, and so no program's access: paid like any other."""
        cdef sim_task_t *t = &self.tasks[cpu]
        cdef lock_t *l = t.bare
        t.bare = NULL
        if not self.costs.hits_take_lock:
            self.pass_time(t, self.costs.acquire + self.lock_line(cpu, l))

    cdef bint take(self, uint32_t cpu, lock_t *l, uint64_t word) noexcept nogil:
        """Take a lock, in the queue while it is held. Whether it was."""
        cdef sim_task_t *t = &self.tasks[cpu]
        self.turn(cpu, STEP_ACQUIRE, <uint64_t>(<char *>l - self.m.base))
        self.locks[l.cls].acquired += 1
        if l.word == 0:
            l.word = word
            if l.cls == CLASS_PTL:
                t.bare = l
            if l.cls != CLASS_PTL or self.costs.hits_take_lock:
                self.pass_time(t, self.costs.acquire + self.lock_line(cpu, l))
            return False
        t.next_waiter = 0
        if l.pending != 0:
            self.tasks[l.pending - 1].next_waiter = cpu + 1
        else:
            l.waiters = cpu + 1
        l.pending = cpu + 1
        t.state = SIM_QUEUED
        self.switch_to_next(cpu)
        l.word = word
        if l.cls == CLASS_PTL:
            t.bare = l
        return True

    cdef bint attempt(self, uint32_t cpu, lock_t *l, uint64_t word) noexcept nogil:
        """Take a lock if it is free."""
        cdef sim_task_t *t = &self.tasks[cpu]
        cdef bint taken
        self.turn(cpu, STEP_TRY, <uint64_t>(<char *>l - self.m.base))
        taken = l.word == 0
        if taken:
            l.word = word
            self.locks[l.cls].acquired += 1
        self.pass_time(t, self.costs.acquire + self.lock_line(cpu, l))
        return taken

    cdef void give(self, uint32_t cpu, lock_t *l) noexcept nogil:
        """Give a lock back, to the first in its queue when there is one."""
        cdef sim_task_t *t = &self.tasks[cpu]
        cdef uint64_t cost
        if t.bare == l and self.costs.hits_take_lock:
            t.bare = NULL
            self.pass_time(t, self.costs.access)
        elif t.bare == l:  # nobody has run since it was taken: the hardware's own access, which takes no lock
            t.bare = NULL
            if l.waiters != 0:
                self.hand_over(cpu, l)
            else:
                l.word = 0
            self.pass_time(t, self.costs.access)
            return
        self.turn(cpu, STEP_RELEASE, <uint64_t>(<char *>l - self.m.base))
        cost = self.lock_line(cpu, l)
        if l.waiters != 0:
            self.hand_over(cpu, l)
        else:
            l.word = 0
        self.pass_time(t, self.costs.release + (0 if cost == self.costs.own else cost))

    cdef void hand_over(self, uint32_t cpu, lock_t *l) noexcept nogil:
        """The first in the queue holds the lock from now on; the word stays that of the old holder until it goes on."""
        cdef uint32_t heir = l.waiters - 1
        cdef sim_task_t *t = &self.tasks[heir]
        l.waiters = t.next_waiter
        if l.waiters == 0:
            l.pending = 0
        t.clock_ns = self.tasks[cpu].clock_ns
        if l.cls != CLASS_PTL or self.costs.hits_take_lock:  # else charged by charge_bare, if it is held over a step
            self.pass_time(t, self.handover_cost(cpu, heir, l))
        t.state = SIM_READY
        self.push(heir)

    cdef uint64_t handover_cost(self, uint32_t cpu, uint32_t heir, lock_t *l) noexcept nogil:
        """From a release to the next holder; the line is the heir's from here on."""
        cdef sim_task_t *t = &self.tasks[heir]
        cdef line_t *at
        if l.cls == CLASS_LRUVEC:
            if t.lru_left != 0:
                t.lru_left -= 1
                return self.costs.own
            t.lru_left = self.costs.lruvec_batch - 1
        at = line_of(self.lines, <uint64_t>(<char *>l - self.m.base))
        at.owner = heir + 1
        at.copies = t.group
        return self.costs.handover[distance(&self.costs, cpu, heir)]

    cdef bint sleep(self, uint32_t cpu, uint64_t due_ns) noexcept nogil:
        """Until a token comes (taken, True) or until `due_ns` (False)."""
        cdef sim_task_t *t = &self.tasks[cpu]
        cdef uint32_t *tokens = &percpu_of(&self.m, cpu).wake_tokens
        self.turn(cpu, STEP_PARK, <uint64_t>(<char *>tokens - self.m.base))
        if tokens[0] != 0:
            tokens[0] -= 1
            self.pass_time(t, self.costs.atomic + self.write_line(cpu, <uint64_t>(<char *>tokens - self.m.base)))
            return True
        self.pass_time(t, self.costs.sleep)
        t.asleep_at = t.clock_ns
        t.state = SIM_PARKED
        if due_ns != NEVER:
            t.clock_ns = due_ns if due_ns > t.asleep_at else t.asleep_at
            self.push(cpu)
        self.switch_to_next(cpu)
        t.state = SIM_READY
        if tokens[0] != 0:
            tokens[0] -= 1
            return True
        self.pass_time(t, self.costs.timer)
        return False

    cdef void wake(self, uint32_t cpu, uint32_t target) noexcept nogil:
        """One token more for `target`, which goes on after the wake-up's latency when it sleeps."""
        cdef sim_task_t *t = &self.tasks[cpu]
        cdef sim_task_t *sleeper = &self.tasks[target]
        cdef uint32_t *tokens = &percpu_of(&self.m, target).wake_tokens
        cdef uint64_t offset = <uint64_t>(<char *>tokens - self.m.base), more = 0
        self.turn(cpu, STEP_ATOMIC, offset)
        tokens[0] += 1
        if sleeper.state == SIM_PARKED:
            if sleeper.heap_at:
                self.remove(target)
            if t.clock_ns < sleeper.asleep_at:
                sleeper.clock_ns = sleeper.asleep_at
            else:
                more = self.costs.waker
                sleeper.clock_ns = t.clock_ns
                self.pass_time(sleeper, self.costs.latency[distance(&self.costs, cpu, target)])
            sleeper.state = SIM_READY
            self.push(target)
        self.pass_time(t, self.costs.atomic + self.write_line(cpu, offset) + more)

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

    def locks_told(self) -> dict[str, dict[str, int]]:
        """By class of lock, those that were taken: acquired, waited, total_ns, max_ns."""
        return {name: stat_told(&self.locks[i]) for i, name in enumerate(LOCK_CLASSES) if self.locks[i].acquired}

    def clusters_told(self, most: int) -> list[dict[str, int]]:
        """The clusters whose lock was waited for longest, longest first."""
        cdef uint64_t i
        waited = [(-self.clusters[i].total_ns, i) for i in range(self.nr_clusters) if self.clusters[i].waited]
        found = []
        for _, number in sorted(waited)[:most]:
            told = stat_told(&self.clusters[number])
            del told["acquired"]
            found.append({"cluster": number, **told})
        return found


cdef dict stat_told(lock_stat_t *s):
    return {"acquired": s.acquired, "waited": s.waited, "total_ns": s.total_ns, "max_ns": s.max_ns}


cdef uint64_t near_groups(uint32_t cpu, uint32_t nr, uint32_t shift, uint32_t per_socket) noexcept nogil:
    """Bits of the groups that lie on the CPU's socket."""
    cdef uint64_t bits = 0
    cdef uint32_t i
    for i in range(nr):
        if i // per_socket == cpu // per_socket:
            bits |= <uint64_t>1 << (i >> shift)
    return bits
