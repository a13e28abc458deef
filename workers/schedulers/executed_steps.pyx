"""Vector clocks over the executed steps, and the reversible races among them."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset

from shm.atomic cimport load_i32
from workers.cpu cimport ADDS, READS, STEP_ACQUIRE, STEP_RELEASE, STEP_TRY, WRITES
from workers.schedulers.schedule cimport EVERYTHING, dependent, mix64, pending_t

cdef enum:
    FIRST_NODES = 256
    FIRST_SLOTS = 64


cdef inline bint covers(const uint32_t *clock, const node_t *nodes, int i) noexcept nogil:
    """Whether step i happens before the step with that clock, or is it."""
    return clock[nodes[i].cpu] > <uint32_t>i


cdef inline void merge(uint32_t *into, const uint32_t *clock, int nr) noexcept nogil:
    cdef int c
    for c in range(nr):
        if clock[c] > into[c]:
            into[c] = clock[c]


cdef class ExecutedSteps:
    """Nodes are appended by their owner; order() and link() go over them in turn, truncate() takes the last ones back."""

    def __dealloc__(self):
        free(self.nodes)
        free(self.clocks)
        free(self.races)
        free(self.objects)
        free(self.slots)

    cdef bint start(self, int nr_cpus, const char *base) noexcept nogil:
        """Nothing is executed yet. False: no memory."""
        cdef int c
        self.base = base
        if nr_cpus != self.nr_cpus:
            self.room = 0
        self.nr_cpus = nr_cpus
        self.length = 0
        self.linked = 0
        self.last_wide = -1
        for c in range(MOST_CPUS):
            self.last_of_cpu[c] = -1
        return self.reserve(FIRST_NODES) and (self.nr_slots > 0 or self.more_slots())

    cdef bint reserve(self, int nodes) noexcept nogil:
        """Room for so many nodes. False: no memory."""
        cdef int room = max(self.room, FIRST_NODES)
        if nodes <= self.room:
            return True
        while room < nodes:
            room *= 2
        more_nodes = <node_t *>realloc(self.nodes, room * sizeof(node_t))
        if more_nodes != NULL:
            self.nodes = more_nodes
        more_clocks = <uint32_t *>realloc(self.clocks, <uint64_t>room * self.nr_cpus * sizeof(uint32_t))
        if more_clocks != NULL:
            self.clocks = more_clocks
        more_races = <race_t *>realloc(self.races, room * sizeof(race_t))
        if more_races != NULL:
            self.races = more_races
        if more_nodes == NULL or more_clocks == NULL or more_races == NULL:
            return False
        self.room = room
        return True

    cdef int32_t number_of(self, uint64_t object) noexcept nogil:
        """Objects are numbered as they are met. -1: it is none, or there is no memory."""
        cdef uint64_t at
        if object == 0 or object == EVERYTHING:
            return -1
        at = mix64(object) & <uint64_t>(self.nr_slots - 1)
        while self.slots[at] != 0:
            if self.objects[self.slots[at] - 1].object == object:
                return self.slots[at] - 1
            at = (at + 1) & <uint64_t>(self.nr_slots - 1)
        if self.nr_objects * 2 >= self.nr_slots:
            return self.number_of(object) if self.more_slots() else -1
        self.objects[self.nr_objects].object = object
        self.objects[self.nr_objects].last = -1
        self.objects[self.nr_objects].acquisition = -1
        self.objects[self.nr_objects].held = False
        self.nr_objects += 1
        self.slots[at] = self.nr_objects
        return self.nr_objects - 1

    cdef bint more_slots(self) noexcept nogil:
        """Twice as many. False: no memory."""
        cdef int wanted = max(FIRST_SLOTS, self.nr_slots * 2), i
        cdef uint64_t at
        cdef int32_t *slots = <int32_t *>calloc(wanted, sizeof(int32_t))
        cdef object_t *objects = <object_t *>realloc(self.objects, wanted * sizeof(object_t))
        if objects != NULL:
            self.objects = objects
        if slots == NULL or objects == NULL:
            free(slots)
            return False
        free(self.slots)
        self.slots = slots
        self.nr_slots = wanted
        for i in range(self.nr_objects):
            at = mix64(self.objects[i].object) & <uint64_t>(wanted - 1)
            while slots[at] != 0:
                at = (at + 1) & <uint64_t>(wanted - 1)
            slots[at] = i + 1
        return True

    cdef void free_locks(self) noexcept nogil:
        """An execution begins, and nobody holds a lock."""
        cdef int i
        for i in range(self.nr_objects):
            self.objects[i].held = False

    cdef void as_taken(self, pending_t *step, const pending_t *pending) noexcept nogil:
        """What a pending step is if it is taken now: a trylock that fails reads, who takes the last of a count writes."""
        cdef int32_t number
        step[0] = pending[0]
        if pending.access == ADDS | WRITES:
            step.access = WRITES if load_i32(<int32_t *>(self.base + pending.object)) <= 1 else ADDS
        if pending.kind == STEP_TRY:
            number = self.number_of(pending.object)
            if number >= 0 and self.objects[number].held:
                step.access = READS

    cdef void take(self, const node_t *node) noexcept nogil:
        """The execution that runs takes this step."""
        if node.object < 0:
            return
        if node.step.kind == STEP_ACQUIRE or node.step.kind == STEP_TRY:
            self.objects[node.object].held = True
        elif node.step.kind == STEP_RELEASE:
            self.objects[node.object].held = False

    cdef int order(self, int j) noexcept nogil:
        """Fill the clock of step j, all before it being linked, and `races` with the earlier steps that directly
        precede it, are another CPU's, and might be reversed; how many. What guards j from i is no race:

        - a release cannot come after the acquire that it enables; the acquire races with the holder's acquire;
        - a step that follows from i by a third one is not next to it in any order.
        """
        cdef node_t *node = &self.nodes[j]
        cdef uint32_t *clock = self.clocks + <uint64_t>j * self.nr_cpus
        cdef int p = node.cpu, nr = 0, k, on_object = -1, wide = self.last_wide, holder
        cdef bint of_lock = node.step.kind == STEP_ACQUIRE and node.object >= 0
        cdef const node_t *earlier
        node.before_of_cpu = self.last_of_cpu[p]
        node.before_wide = wide
        node.before_on_object = -1
        if node.object >= 0:
            on_object = node.before_on_object = self.objects[node.object].last
        if node.before_of_cpu >= 0:
            memcpy(clock, self.clocks + <uint64_t>node.before_of_cpu * self.nr_cpus, self.nr_cpus * sizeof(uint32_t))
        else:
            memset(clock, 0, self.nr_cpus * sizeof(uint32_t))
        for k in range(node.barrier):
            if not self.nodes[k].is_chance:
                clock[self.nodes[k].cpu] = max(clock[self.nodes[k].cpu], <uint32_t>k + 1)
        if of_lock:
            holder = self.objects[node.object].acquisition
            if holder >= 0 and not covers(clock, self.nodes, holder):
                self.races[nr].earlier = holder
                self.races[nr].of_holders = True
                nr += 1
        if is_wide(node):
            on_object = -1
            wide = j - 1
        while on_object >= 0 or wide >= 0:
            k = max(on_object, wide)
            earlier = &self.nodes[k]
            if not earlier.is_chance and not covers(clock, self.nodes, k) and dependent(&earlier.step, &node.step):
                if not of_lock or earlier.object != node.object:
                    self.races[nr].earlier = k
                    self.races[nr].of_holders = False
                    nr += 1
                merge(clock, self.clocks + <uint64_t>k * self.nr_cpus, self.nr_cpus)
            if k == on_object:  # all that matters before a write happens before it
                on_object = earlier.before_on_object if earlier.step.access != WRITES else -1
            if k == wide:
                wide = k - 1 if is_wide(node) else earlier.before_wide
        clock[p] = <uint32_t>j + 1
        return nr

    cdef void link(self, int j) noexcept nogil:
        """Later steps find step j, which is ordered."""
        cdef node_t *node = &self.nodes[j]
        cdef object_t *object
        self.linked = j + 1
        if node.is_chance:
            return
        self.last_of_cpu[node.cpu] = j
        if is_wide(node):
            self.last_wide = j
        if node.object < 0:
            return
        object = &self.objects[node.object]
        object.last = j
        if node.step.kind == STEP_ACQUIRE or (node.step.kind == STEP_TRY and node.step.access == WRITES):
            node.acquisition = object.acquisition
            object.acquisition = j

    cdef void truncate(self, int length) noexcept nogil:
        """Only the first `length` nodes are linked from now on."""
        cdef node_t *node
        cdef int j
        for j in range(self.linked - 1, length - 1, -1):
            node = &self.nodes[j]
            if node.is_chance:
                continue
            self.last_of_cpu[node.cpu] = node.before_of_cpu
            if is_wide(node):
                self.last_wide = node.before_wide
            if node.object < 0:
                continue
            self.objects[node.object].last = node.before_on_object
            if self.objects[node.object].acquisition == j:
                self.objects[node.object].acquisition = node.acquisition
        self.linked = min(self.linked, length)

    cdef uint64_t initials(self, const race_t *race, int j) noexcept nogil:
        """The race's two steps reversed: who can begin what comes then instead of the earlier one, as a set of CPUs.

        What comes then is all after it that does not happen after it, and step j. 0: the earlier step enabled j, and
        nothing else there does.
        """
        cdef int32_t first[MOST_CPUS]
        cdef int i = race.earlier, c = self.nodes[i].cpu, k
        cdef const node_t *later = &self.nodes[j]
        cdef uint64_t seen = 0, found = 0, mine = <uint64_t>1 << later.cpu
        cdef bint enabled = race.of_holders or later.before_of_cpu > i or self.nodes[i].enabled & mine != 0
        cdef const uint32_t *clock
        for k in range(i + 1, j):
            clock = self.clocks + <uint64_t>k * self.nr_cpus
            if self.nodes[k].is_chance or clock[c] > <uint32_t>i:
                continue
            if not enabled:
                enabled = dependent(&self.nodes[k].step, &later.step)
            if seen >> self.nodes[k].cpu & 1:
                continue
            if self.begins(clock, first, seen):
                found |= <uint64_t>1 << self.nodes[k].cpu
            seen |= <uint64_t>1 << self.nodes[k].cpu
            first[self.nodes[k].cpu] = k
        if not enabled:
            return 0
        k = later.before_of_cpu if race.of_holders else j  # that the holder let it go is not asked for
        if not seen & mine and (k < 0 or self.begins(self.clocks + <uint64_t>k * self.nr_cpus, first, seen)):
            found |= mine
        return found

    cdef bint begins(self, const uint32_t *clock, const int32_t *first, uint64_t seen) noexcept nogil:
        """Whether nothing of the CPUs in `seen`, from their `first` on, happens before the step with that clock."""
        cdef int c
        for c in range(self.nr_cpus):
            if seen >> c & 1 and clock[c] > <uint32_t>first[c]:
                return False
        return True
