"""T1. Between allocation and its first reference a slot is held by its folio alone: whoever takes the first one holds it."""
from shm.vmstat cimport WARN_FIRST_REFERENCE
from workers.invariants.law cimport StepLaw


cdef class FirstReference(StepLaw):
    """The first reference of a slot is taken while its folio is in the swap cache, by who holds the folio's lock."""

    def __cinit__(self):
        self.id = "T1"
        self.noticed[WARN_FIRST_REFERENCE] = b"CPU %lu took the first reference alone: entry 0x%lx, folio %lu (0x%lx)"
