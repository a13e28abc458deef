"""What steps cost, who waits for whom: lines, locks, sleep and wake-up on the clocks."""
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from shm.layout cimport percpu_of
from shm.lock cimport CLASS_LRUVEC, CLASS_PTL, lock_t
from workers.cpu cimport READS, STEP_ACQUIRE, STEP_ATOMIC, STEP_PARK, STEP_RELEASE, STEP_TRY
from workers.simulation.clocks cimport SIM_PARKED, SIM_QUEUED, SIM_READY, Clocks, sim_task_t
from workers.simulation.costs cimport COST_SHIFT, distance
from workers.simulation.lines cimport TABLE_BITS, line_of, line_t, own_line, read_line

from shm.records import LOCK_CLASSES

cdef uint64_t NEVER = <uint64_t>-1


cdef class Simulator(Clocks):
    """The clocks of a segment's CPUs, and the prices of their steps."""

    def __init__(self, buf, model) -> None:
        Clocks.__init__(self, buf, model)
        self.nr_clusters = self.m.clusters_per_device * self.m.geo.devices
        self.lines = <line_t *>calloc(1 << TABLE_BITS, sizeof(line_t))
        self.clusters = <lock_stat_t *>calloc(self.nr_clusters, sizeof(lock_stat_t))
        if self.lines == NULL or self.clusters == NULL:
            raise MemoryError("no memory for the table of lines")

    def __dealloc__(self):
        free(self.lines)
        free(self.clusters)

    def restart(self, seed: int, stop_ns: int | None, give_up_ns: int | None) -> None:
        """As of Clocks; nobody's lines are anywhere."""
        Clocks.restart(self, seed, stop_ns, give_up_ns)
        memset(self.lines, 0, sizeof(line_t) << TABLE_BITS)
        memset(self.clusters, 0, self.nr_clusters * sizeof(lock_stat_t))
        memset(self.locks, 0, sizeof(self.locks))
        self.accesses = 0

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

    cdef void settle(self, uint32_t cpu) noexcept nogil:
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
            self.accesses += 1
            self.pass_time(t, self.costs.access)
        elif t.bare == l:  # nobody has run since it was taken: the hardware's own access, which takes no lock
            t.bare = NULL
            self.accesses += 1
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
        if l.cls != CLASS_PTL or self.costs.hits_take_lock:  # else charged by settle, if it is held over a step
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
