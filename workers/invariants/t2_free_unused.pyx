"""T2. A slot that is freed while somebody uses it is handed out, and its next owner's page takes the place of theirs."""
from shm.vmstat cimport WARN_FREE_IN_USE
from workers.invariants.law cimport StepLaw


cdef class FreeUnused(StepLaw):
    """A slot is freed only when it has no reference left and its folio is out of the swap cache."""

    def __cinit__(self):
        self.id = "T2"
        self.noticed[WARN_FREE_IN_USE] = b"CPU %lu freed a slot in use: entry 0x%lx, folio %lu, count %lu"
