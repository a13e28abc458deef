"""L7. A fault that says that memory is short is taken again, or kills somebody. One that says so although nothing has failed
was only in somebody's way."""
from shm.vmstat cimport WARN_SPURIOUS_OOM
from workers.invariants.law cimport StepLaw


cdef class OomHasACause(StepLaw):
    """A fault reports that memory is short only if an allocation or a charge has failed since it began, or its slot was
    freed and used again for the same page meanwhile."""

    def __cinit__(self):
        self.id = "L7"
        self.points = ("L", "T")
        self.noticed[WARN_SPURIOUS_OOM] = b"CPU %lu is out of memory though nothing has failed: entry 0x%lx (%lu failures, generation %lu)"
