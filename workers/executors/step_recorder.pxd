"""What a replay does, step by step, with what each step changes in memory and where in the code it stands."""
cimport cython
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from shm.layout cimport layout_t
from workers.executors.execution cimport MAX_TASKS, Execution

cdef enum:
    FRAMES = 24  # of a backtrace: the primitives of the seam are the innermost ones
    KEPT_STEPS = 2000  # workers.timeline.MAX_STEPS
    MAX_CHANGES = 1 << 20
    REGIONS = 5

cdef struct frames_t:
    void *at[FRAMES]
    int32_t nr

cdef struct kept_t:
    uint64_t at_ns
    uint64_t object  # offset in the segment, 0: outside
    int32_t cpu
    int32_t kind
    int32_t cause
    int32_t enabled
    bint waited
    frames_t frames

cdef struct region_t:  # memory that is watched, word by word
    char *base
    char *copy
    uint64_t bytes
    uint32_t item

cdef struct change_t:
    uint64_t index  # of the word in its region
    uint64_t value
    uint64_t step  # that changed it; 0 is the state before the first
    int32_t region

@cython.final
cdef class StepRecorder:
    cdef Execution execution
    cdef layout_t *m
    cdef kept_t *steps
    cdef frames_t *pending
    cdef region_t regions[REGIONS]
    cdef change_t *changes
    cdef uint64_t nr_changes
    cdef uint64_t room
    cdef void watch(self, int region, void *base, uint64_t count, uint32_t item) except *
    cdef void attach(self, layout_t *m) except *
    cdef void publishes(self, int task) noexcept nogil
    cdef void chosen(self, int task, int enabled) noexcept nogil
    cdef void begin(self) noexcept nogil
    cdef void look(self, uint64_t step) noexcept nogil
    cdef void changed(self, int region, uint64_t index, uint64_t value, uint64_t step) noexcept nogil
