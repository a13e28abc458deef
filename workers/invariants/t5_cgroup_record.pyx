"""T5. The kernel stops with VM_BUG here: an id on a free slot is found by its next owner (the order of
memcg1_swapout and the removal from the swap cache, January 2026)."""
from shm.vmstat cimport WARN_CGROUP_RECORD
from workers.invariants.law cimport StepLaw


cdef class CgroupRecord(StepLaw):
    """A cgroup id is recorded only on a slot that is not free and has none, and taken only off slots that share it."""

    def __cinit__(self):
        self.id = "T5"
        self.noticed[WARN_CGROUP_RECORD] = b"CPU %lu recorded an id wrongly: entry 0x%lx (0x%lx, 0x%lx)"
