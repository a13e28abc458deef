"""T4. When the folio of a slot goes while PTEs name the slot, the device, zswap or the zero-filled map has the only copy."""
from shm.vmstat cimport WARN_DEL_ONLY_COPY
from workers.invariants.law cimport StepLaw


cdef class GoodCopy(StepLaw):
    """A folio leaves the swap cache of a slot with references only when it is clean, not under writeback, and, if it was ever
    uptodate, the slot's copy holds what the folio holds."""

    def __cinit__(self):
        self.id = "T4"
        self.noticed[WARN_DEL_ONLY_COPY] = b"CPU %lu dropped the only good copy: entry 0x%lx, folio %lu, flags 0x%lx"
