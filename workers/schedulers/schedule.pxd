"""Who runs next: the oracle that the cooperative executor asks. A few questions, and nothing known of memory.

The shape is Shuttle's (`scheduler/mod.rs`): an algorithm is one small file. All is asked without the GIL, on any CPU's
stack, except `new_execution` and `end_execution`, which are asked on the engine's.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from workers.cpu cimport STEP_ATOMIC, STEP_RELEASE, STEP_TRY, WRITES

cdef enum:
    REFUSED = -1  # the oracle has no answer; `refusal()` says why
    CUT = -2  # of next_cpu: what follows shows nothing new, and the execution ends unjudged
    EVERYTHING = 1  # as an object: whatever another CPU may publish; no word has this offset

cdef struct pending_t:  # the step that a CPU takes when it is chosen
    uint64_t object  # offset in the segment, 0: none
    int kind  # STEP_* of workers/cpu.pxd
    int access  # READS, WRITES, ADDS; ADDS | WRITES: takes one of a 32-bit count, a write for the last one and an add else

cdef class Schedule:
    cdef const pending_t *pending  # by CPU; valid from use() on
    cdef int nr_cpus
    cdef const char *base  # what objects are offsets from: some steps are known only by what they find
    cdef bint every_step  # next_cpu is asked also where one CPU alone can go on
    cdef bint new_execution(self, uint64_t number) noexcept nogil
    cdef int next_cpu(self, const uint8_t *enabled, int nr, int last) noexcept nogil
    cdef int next_choice(self, uint32_t n) noexcept nogil
    cdef bint next_chance(self, uint32_t ppm) noexcept nogil
    cdef void end_execution(self, uint64_t steps, bint complete) noexcept nogil

cdef inline bint publishes(const pending_t *s) noexcept nogil:
    """Whether a step may show others what they poll for: a write, or the end of what a lock guards."""
    return s.access == WRITES and (s.kind == STEP_ATOMIC or s.kind == STEP_RELEASE or s.kind == STEP_TRY)

cdef inline bint dependent(const pending_t *a, const pending_t *b) noexcept nogil:
    """Whether the order of two steps of different CPUs matters: the same object, and not both read or both add."""
    if a.object == EVERYTHING or b.object == EVERYTHING:
        return publishes(a) or publishes(b)
    return a.object != 0 and a.object == b.object and (a.access != b.access or a.access == WRITES)

cdef inline uint64_t mix64(uint64_t x) noexcept nogil:
    """splitmix64 (Steele, Lea, Flood 2014): unlike words from like ones; a bijection."""
    x += <uint64_t>0x9E3779B97F4A7C15
    x = (x ^ (x >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    x = (x ^ (x >> 27)) * <uint64_t>0x94D049BB133111EB
    return x ^ (x >> 31)

cdef class RoundRobin(Schedule):
    pass
