"""Keeps the steps of a replay: the execution calls it when a step is published and when it is chosen.

Nothing here runs unless a recorder is attached. It works on the CPUs' own stacks, without the GIL and without Python
objects; `told` makes Python of what was kept.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy

from shm.folio cimport folio_t
from shm.layout cimport layout_t
from shm.swap_map cimport SLOTS_TABLE
from workers.executors.execution cimport Execution, task_t

cdef extern from "<execinfo.h>" nogil:
    int backtrace(void **buffer, int size)

REGION_NAMES = ("tables", "swap_map", "folios", "swap_cgroup", "ptes")


cdef void witness(void *recorder, int task, int enabled) noexcept nogil:
    if enabled == 0:
        (<StepRecorder>recorder).publishes(task)
    else:
        (<StepRecorder>recorder).chosen(task, enabled)


cdef class StepRecorder:
    """Attached to `execution` from `attach` to `detach`."""

    def __cinit__(self, Execution execution):
        self.execution = execution
        self.steps = <kept_t *>calloc(KEPT_STEPS, sizeof(kept_t))
        self.pending = <frames_t *>calloc(MAX_TASKS, sizeof(frames_t))
        self.room = 4096
        self.changes = <change_t *>malloc(self.room * sizeof(change_t))
        if self.steps == NULL or self.pending == NULL or self.changes == NULL:
            raise MemoryError("no memory for the steps of a replay")

    def __dealloc__(self):
        cdef int i
        self.detach()
        for i in range(REGIONS):
            free(self.regions[i].copy)
        free(self.steps)
        free(self.pending)
        free(self.changes)

    cdef void watch(self, int region, void *base, uint64_t count, uint32_t item) except *:
        cdef region_t *r = &self.regions[region]
        r.base = <char *>base
        r.item = item
        r.bytes = count * item
        r.copy = <char *>malloc(r.bytes + 1)
        if r.copy == NULL:
            raise MemoryError("no memory for a copy of what is watched")

    cdef void attach(self, layout_t *m) except *:
        """Watch the segment of `m` from the next execution on."""
        cdef void *warm[2]
        self.m = m
        self.watch(0, m.tables, m.geo.tables * m.geo.cluster_slots, 8)
        self.watch(1, m.swap_map, m.geo.slots * m.geo.devices if m.geo.slot_format != SLOTS_TABLE else 0, 1)
        self.watch(2, m.folios, m.geo.folios * (sizeof(folio_t) // 8), 8)
        self.watch(3, m.swap_cgroup, m.geo.slots * m.geo.devices, 2)
        self.watch(4, m.ptes, m.geo.mms * m.geo.pages, 8)
        backtrace(warm, 2)  # the first call loads a library, which a CPU's small stack is no place for
        self.execution.witness = witness
        self.execution.watcher = <void *>self

    def detach(self) -> None:
        """Watch no more."""
        if self.execution.watcher == <void *>self:
            self.execution.witness = NULL
            self.execution.watcher = NULL

    cdef void publishes(self, int task) noexcept nogil:
        """Where the CPU stands that publishes a step. Context: on that CPU's stack."""
        self.pending[task].nr = backtrace(self.pending[task].at, FRAMES)

    cdef void chosen(self, int task, int enabled) noexcept nogil:
        """That task's pending step happens now; all that came before it has taken effect."""
        cdef task_t *t = &self.execution.tasks[task]
        cdef kept_t *k = &self.steps[self.execution.steps % KEPT_STEPS]
        cdef uint64_t offset = <uint64_t>(<char *>t.obj - self.m.base)
        if self.execution.steps == 0:
            self.begin()
        else:
            self.look(self.execution.steps)
        k.at_ns = self.execution.clock_ns
        k.object = offset if offset < self.m.size else 0
        k.cpu = task
        k.kind = self.execution.pending[task].kind
        k.cause = t.cause
        k.enabled = enabled
        k.waited = t.waited
        k.frames = self.pending[task]
        self.pending[task].nr = 0

    cdef void begin(self) noexcept nogil:
        cdef int i
        self.nr_changes = 0
        for i in range(REGIONS):
            memcpy(self.regions[i].copy, self.regions[i].base, self.regions[i].bytes)

    cdef void look(self, uint64_t step) noexcept nogil:
        """Note what differs from the last look: step number `step`, counted from 1, has done it."""
        cdef int i
        cdef uint64_t word
        cdef region_t *r
        for i in range(REGIONS):
            r = &self.regions[i]
            if memcmp(r.base, r.copy, r.bytes) == 0:
                continue
            for word in range(r.bytes // r.item):
                if memcmp(r.base + word * r.item, r.copy + word * r.item, r.item) != 0:
                    self.changed(i, word, value_at(r.copy, r.item, word), 0)
                    self.changed(i, word, value_at(r.base, r.item, word), step)
                    memcpy(r.copy + word * r.item, r.base + word * r.item, r.item)

    cdef void changed(self, int region, uint64_t index, uint64_t value, uint64_t step) noexcept nogil:
        """One word's value before (step 0) or after a step. Beyond the memory that is left, changes are not kept."""
        cdef change_t *more
        if self.nr_changes == self.room:
            more = <change_t *>realloc(self.changes, self.room * 2 * sizeof(change_t)) if self.room < MAX_CHANGES else NULL
            if more == NULL:
                return
            self.changes = more
            self.room *= 2
        self.changes[self.nr_changes].region = region
        self.changes[self.nr_changes].index = index
        self.changes[self.nr_changes].value = value
        self.changes[self.nr_changes].step = step
        self.nr_changes += 1

    def told(self) -> dict:
        """first (number of the first step that is kept), steps and changes of the last execution; see the .pyi."""
        cdef uint64_t n = self.execution.steps, first = n - KEPT_STEPS if n > KEPT_STEPS else 0, i
        cdef kept_t *k
        if n:
            self.look(n)
        steps = []
        for i in range(first, n):
            k = &self.steps[i % KEPT_STEPS]
            frames = [<uintptr_t>k.frames.at[j] for j in range(k.frames.nr)]
            steps.append((k.at_ns, k.object, k.cpu, k.kind, k.cause, k.enabled, bool(k.waited), frames))
        changes = [
            (self.changes[i].step, REGION_NAMES[self.changes[i].region], self.changes[i].index, self.changes[i].value)
            for i in range(self.nr_changes)
        ]
        return {"first": first, "steps": steps, "changes": changes}


cdef uint64_t value_at(char *base, uint32_t item, uint64_t index) noexcept nogil:
    if item == 8:
        return (<uint64_t *>base)[index]
    return (<uint16_t *>base)[index] if item == 2 else (<uint8_t *>base)[index]
