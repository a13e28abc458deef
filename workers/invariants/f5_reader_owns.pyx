"""F5. A read fills memory behind everybody's back. The lock of the folio is what keeps it from being freed, mapped or read
twice meanwhile: a read that nobody holds the lock for writes into somebody else's page (museum 34)."""
from shm.vmstat cimport WARN_READ_UNOWNED
from workers.invariants.law cimport StepLaw


cdef class ReaderOwns(StepLaw):
    """A read fills a folio that is locked for it, by its reader or by the request, that is not uptodate, and that its
    reader has given the slot."""

    def __cinit__(self):
        self.id = "F5"
        self.points = ("F", "T")
        self.noticed[WARN_READ_UNOWNED] = b"CPU %lu read a folio that is not locked for it: entry 0x%lx, folio %lu, flags 0x%lx"
