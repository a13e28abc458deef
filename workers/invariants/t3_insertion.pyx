"""T3. A slot that is read must belong to somebody, or what is read is the next owner's; one that is written to nobody."""
from shm.vmstat cimport WARN_ADD_WRONG
from workers.invariants.law cimport StepLaw


cdef class Insertion(StepLaw):
    """A folio that is to be read enters the swap cache only at a slot with a reference or that its reader has claimed, one
    that is to be written only at a slot without a reference."""

    def __cinit__(self):
        self.id = "T3"
        self.noticed[WARN_ADD_WRONG] = b"CPU %lu put a folio at a slot not for it: entry 0x%lx, folio %lu, flags 0x%lx"
