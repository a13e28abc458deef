"""T5. The kernel stops with VM_BUG here: an id on a free slot is found by its next owner (the order of
memcg1_swapout and the removal from the swap cache, January 2026)."""
from shm.layout cimport layout_t
from shm.vmstat cimport WARN_CGROUP_RECORD
from workers.invariants.law cimport Law, finding_t, tell_warnings


cdef class CgroupRecord(Law):
    """A cgroup id is recorded only on a slot that is not free and has none, and taken only off slots that share it."""

    def __cinit__(self):
        self.id = "T5"
        self.points = ("T",)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        tell_warnings(m, WARN_CGROUP_RECORD, b"CPU %lu recorded an id wrongly: entry 0x%lx (0x%lx, 0x%lx)", out)
