"""F7. A clean folio is dropped whenever memory is short, since its slot holds what it holds. Once the slot is given up it
holds the only copy."""
from shm.vmstat cimport WARN_CLEAN_DROPPED
from workers.invariants.law cimport StepLaw


cdef class DirtyWhenAlone(StepLaw):
    """A folio that leaves the swap cache while its slot is freed is dirty before it is unlocked, unless it was never read
    or is given up (MADV_FREE)."""

    def __cinit__(self):
        self.id = "F7"
        self.points = ("F", "T")
        self.noticed[WARN_CLEAN_DROPPED] = b"CPU %lu unlocked a folio that is clean and has lost its slot: folio %lu, flags 0x%lx (0x%lx)"
